// Bundles the page into dist/: index.html, favicon.svg and assets/app.<hash>.{js,css}, and nothing else.
// Everything in dist/ is embedded in the program, so the build fails when the script outgrows its limit.
import { build } from "esbuild";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");
const scriptLimit = 150 * 1024;

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });

const result = await build({
  absWorkingDir: root,
  entryPoints: { app: "src/app.tsx" },
  outdir: "dist/assets",
  entryNames: "[name].[hash]",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});

const outputs = Object.keys(result.metafile.outputs).map((path) => basename(path));
const script = outputs.find((name) => name.endsWith(".js"));
const style = outputs.find((name) => name.endsWith(".css"));
if (!script || !style) throw new Error(`expected one script and one style sheet, got ${outputs.join(", ")}`);

const html = readFileSync(join(root, "src/index.html"), "utf8")
  .replace("%SCRIPT%", `/assets/${script}`)
  .replace("%STYLE%", `/assets/${style}`);
writeFileSync(join(dist, "index.html"), html);
copyFileSync(join(root, "src/favicon.svg"), join(dist, "favicon.svg"));

for (const name of [script, style]) {
  const bytes = readFileSync(join(dist, "assets", name));
  const packed = gzipSync(bytes, { level: 9 }).length;
  console.log(`dist/assets/${name}  ${bytes.length} bytes, ${packed} gzip`);
  if (name === script && packed > scriptLimit) {
    console.error(`the script is larger than ${scriptLimit} bytes gzip`);
    process.exit(1);
  }
}
