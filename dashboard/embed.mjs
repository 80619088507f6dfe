// Writes dist/ and the API's description as C++: the array that src/serve/page_assets.h declares.
//   node embed.mjs OPENAPI.json OUT.cc
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const [description, out] = process.argv.slice(2);
const dist = join(dirname(fileURLToPath(import.meta.url)), "dist");
const types = { html: "text/html; charset=utf-8", js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml", json: "application/json" };

const assets = [
  { path: "/", file: join(dist, "index.html") },
  { path: "/favicon.svg", file: join(dist, "favicon.svg") },
  ...readdirSync(join(dist, "assets")).sort().map((name) => ({ path: `/assets/${name}`, file: join(dist, "assets", name), named: true })),
  { path: "/api/v1/openapi.json", file: description },
];

const array = (name, bytes) => `constexpr unsigned char ${name}[] = {${[...bytes].join(",")}};\n`;
const view = (name) => `{reinterpret_cast<const char*>(${name}), sizeof ${name}}`;

let data = "";
let table = "";
assets.forEach(({ path, file, named }, i) => {
  const bytes = readFileSync(file);
  data += array(`kBytes${i}`, bytes) + array(`kGzip${i}`, gzipSync(bytes, { level: 9 }));
  const type = types[file.slice(file.lastIndexOf(".") + 1)];
  table += `      PageAsset{${JSON.stringify(path)}, ${JSON.stringify(type)}, ${view(`kBytes${i}`)}, ${view(`kGzip${i}`)}, ${named === true}},\n`;
});

writeFileSync(
  out,
  `// Made by dashboard/embed.mjs.
#include <array>

#include "serve/page_assets.h"

namespace inlet::serve {
namespace {

${data}
}  // namespace

std::span<const PageAsset> page_assets() {
  static const std::array<PageAsset, ${assets.length}> all{
${table}  };
  return all;
}

}  // namespace inlet::serve
`,
);
