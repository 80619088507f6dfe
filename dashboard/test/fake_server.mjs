// A stand-in for the program's HTTP side, for working on the page: the same documents, made-up sales that move.
//   node test/fake_server.mjs [--port 8099] [--rate 1000] [--empty]
// For tests: /fake/drop cuts the event streams, /fake/down?ms=N refuses everything for a while, /fake/fail?panel=ID
// makes one panel answer an error (/fake/fail ends that), /fake/seen lists the Last-Event-IDs that came.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: { port: { type: "string", default: "8099" }, rate: { type: "string", default: "1000" }, empty: { type: "boolean", default: false } },
});
const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const rate = Number(options.rate);
const scale = 25; // a sale stands for so many: days pass at a pace one can watch

// ---- sales --------------------------------------------------------------------------------------------------------

let seed = 7;
const random = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const products = [
  [101, "Ordinateur portable", "Informatique", 89990],
  [102, "Souris sans fil", "Informatique", 2490],
  [103, "Cafetière", "Électroménager", 5995],
  [104, "Lampe de bureau", "Maison", 3450],
  [105, "Sac à dos", "Bagagerie", 4900],
  [106, "Carnet", "Papeterie", 380],
];
const clients = [
  [1, "Camille", "France", "Particulier", 1.25],
  [2, "Louis", "France", "Professionnel", 1.5],
  [3, "Manon", "Belgique", "Particulier", 0.9],
  [4, "Hugo", "Suisse", "Professionnel", 1.1],
  [5, "Léa <b>&amp;</b>", "Canada", "Particulier", 0.7],
];
const weights = clients.reduce((sum, client) => sum + client[4], 0);
const begin = Date.UTC(2025, 0, 1);
const offsets = [-1, -1];
const groups = new Map(); // client|day → sums
const minutes = new Map(); // half an hour|country → cents, count
let latest = [];
let total = 0;
let quarantined = 0;
let late = 0;
const started = Date.now();

function sell(at) {
  let pick = random() * weights;
  const client = clients.find((c) => (pick -= c[4]) < 0) ?? clients[0];
  const product = products[Math.floor(random() * random() * products.length)];
  const quantity = 1 + Math.floor(random() * 5);
  const cents = product[3] * quantity;
  const day = new Date(at).toISOString().slice(0, 10);
  const key = `${client[0]}|${day}`;
  let group = groups.get(key);
  if (!group) groups.set(key, (group = { client, day, quantity: 0, cents: 0n, count: 0, min: cents, max: cents, products: new Set() }));
  group.quantity += quantity;
  group.cents += BigInt(cents);
  group.count++;
  group.min = Math.min(group.min, cents);
  group.max = Math.max(group.max, cents);
  group.products.add(product[0]);
  const slot = `${at - (at % 1_800_000)}|${client[2]}`;
  const sum = minutes.get(slot) ?? { cents: 0, count: 0 };
  sum.cents += cents;
  sum.count++;
  minutes.set(slot, sum);
  total++;
  offsets[client[0] % 2]++;
  latest.unshift({ at, id: total, client, product, quantity, cents });
  if (latest.length > 60) latest = latest.slice(0, 40);
  if (random() < 0.00004) quarantined++;
  if (random() < 0.0001) late++;
}

let clock = begin;
const wave = (at) => 1 + 0.55 * Math.sin(((at % 86_400_000) / 86_400_000) * 2 * Math.PI - 1.9);
if (!options.empty) {
  while (clock < begin + 4.6 * 86_400_000) {
    sell(clock);
    clock += 4000 / wave(clock);
  }
}

const money = (cents) => {
  const value = BigInt(cents);
  const digits = (value < 0n ? -value : value).toString().padStart(3, "0");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
};
const mean = (cents, count) => {
  const scaled = (BigInt(cents) * 10000n) / BigInt(count); // six decimals
  const digits = scaled.toString().padStart(7, "0");
  return `${digits.slice(0, -6)}.${digits.slice(-6)}`;
};

// ---- versions and events --------------------------------------------------------------------------------------------

const views = ["ventes_aggreges", "ventes_par_pays", "ventes_par_segment"];
const keys = { ventes_aggreges: ["client_id", "client_nom", "pays", "segment", "jour"], ventes_par_pays: ["pays", "jour"], ventes_par_segment: ["segment", "jour"] };
let bronze = 1200;
let published = 640;
let perSecond = rate;
let eventId = 0;
const ring = [];
const streams = new Set();
const seen = [];
let downUntil = 0;
let failing = null;

function emit(type, data) {
  const event = { id: ++eventId, text: `id: ${eventId}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n` };
  ring.push(event);
  if (ring.length > 200) ring.shift();
  for (const stream of streams) stream.write(event.text);
}

if (!options.empty) {
  setInterval(() => {
    const n = Math.round((rate / 4) * (0.85 + 0.3 * random()));
    for (let i = 0; i < n / scale; i++) sell((clock += 4000 / wave(clock)));
    perSecond = perSecond * 0.8 + n * 4 * 0.2;
    emit("committed", { version: ++bronze, rows: n, at: new Date().toISOString() });
  }, 250);
  setInterval(() => {
    published++;
    for (const view of views) emit("published", { view, version: published, bronze_version: bronze, at: new Date().toISOString() });
  }, 600);
}
setInterval(() => emit("status", status()), 1000);
setInterval(() => {
  for (const stream of streams) stream.write(": still here\n\n");
}, 10_000);

function status() {
  const wobble = (base, spread) => Math.round((base + spread * random()) * 10) / 10;
  return {
    pipeline: "ventes",
    version: "0.1.0",
    uptime_s: Math.round((Date.now() - started) / 1000) + 5412,
    source: { kind: "kafka", topic: "ventes_stream" },
    events: { total: total * scale, this_run: total * scale, per_second: options.empty ? 0 : Math.round(perSecond * 10) / 10, rows: total * scale, quarantined, late, diverted: 0, queued_rows: 120 },
    batch: options.empty ? { p50_ms: null, p99_ms: null, last_ms: null, count: 0 } : { p50_ms: wobble(38, 3), p99_ms: wobble(96, 9), last_ms: wobble(34, 22), count: bronze - 1200 + 4310 },
    watermark: options.empty ? null : new Date(clock).toISOString(),
    freshness_ms: options.empty ? null : wobble(320, 180),
    partitions: offsets.map((offset, partition) => {
      const lag = options.empty ? 0 : Math.round((rate / 8) * (0.5 + random()));
      return { source: "kafka/ventes_stream", partition, committed_offset: offset * scale, end_offset: offset * scale + lag, lag };
    }),
    tables: [
      { name: "bronze/ventes_stream", version: bronze, files: 214, bytes: total * 13 * scale + 1_210_000, rows: total * scale },
      { name: "quarantine/ventes_stream", version: 17, files: 17, bytes: 41_240, rows: quarantined },
      ...views.map((name, i) => ({ name: `silver/${name}`, version: published, files: 5, bytes: [31_400, 11_900, 9_300][i], rows: [groups.size, 20, 10][i] })),
    ],
    views: views.map((name, i) => ({
      name,
      state: i === 1 ? "behind" : "level",
      bronze_version: bronze,
      published_version: published,
      lag_versions: i === 1 ? 1 : 0,
      freshness_ms: options.empty ? null : wobble(320 + 30 * i, 150),
      rows: [groups.size, 20, 10][i],
      publish_ms: wobble(11, 4),
      apply_ms: wobble(3.1, 1.4),
      error: null,
    })),
    expectations: [{ name: "montant_positif", failed: 3 }],
    process: { rss_bytes: 187_400_000 + Math.round(random() * 4e6), cpu_s: (Date.now() - started) / 9000 + 512 },
  };
}

// ---- panels -----------------------------------------------------------------------------------------------------------

const panels = [
  { id: "overview", title: "Overview", kind: "tiles", view: "silver.ventes_aggreges", money: ["revenue", "average_basket", "largest_sale"], wide: true, filters: ["jour", "pays", "segment"] },
  { id: "revenue_over_time", title: "Revenue over time", kind: "timeseries", view: null, time: "time", value: "revenue", series: "pays", money: ["revenue"], wide: true, filters: ["pays"] },
  { id: "segments", title: "Revenue by segment", kind: "share", view: "silver.ventes_par_segment", label: "segment", value: "revenue", money: ["revenue", "average_sale"], filters: ["jour", "segment"] },
  { id: "top_clients", title: "Top clients", kind: "ranking", view: "silver.ventes_aggreges", label: "client_nom", value: "total_depense", money: ["total_depense"], filters: ["jour", "pays", "segment"] },
  { id: "countries", title: "Revenue by country", kind: "bars", view: "silver.ventes_par_pays", label: "pays", value: "revenue", money: ["revenue", "average_sale"], filters: ["jour", "pays"] },
  { id: "loyalty", title: "Loyalty", kind: "ranking", view: "silver.ventes_aggreges", label: "segment_depense", value: "total_depense", money: ["total_depense"], filters: ["jour", "pays", "segment"] },
  { id: "performance", title: "Country performance", kind: "table", view: "silver.ventes_par_pays", value: "revenue", money: ["revenue", "average_sale"], wide: true, filters: ["jour", "pays"] },
  { id: "latest", title: "Latest sales", kind: "table", view: null, money: ["montant"], wide: true, filters: ["pays"] },
];
const filters = [
  { id: "jour", title: "Day", column: "jour", values_from: "silver.ventes_par_pays" },
  { id: "pays", title: "Country", column: "pays", values_from: "silver.ventes_par_pays" },
  { id: "segment", title: "Segment", column: "segment", values_from: "silver.ventes_par_segment" },
];
const page = { pipeline: "ventes", title: "Sales, live", locale: "fr-FR", currency: "EUR", panels, filters };

function sum(query, by) {
  const out = new Map();
  for (const group of groups.values()) {
    if (query.get("jour") && group.day !== query.get("jour")) continue;
    if (query.get("pays") && group.client[2] !== query.get("pays")) continue;
    if (query.get("segment") && group.client[3] !== query.get("segment")) continue;
    const key = by(group);
    const row = out.get(key) ?? { key, group, cents: 0n, count: 0, quantity: 0, max: 0, clients: new Set() };
    row.cents += group.cents;
    row.count += group.count;
    row.quantity += group.quantity;
    row.max = Math.max(row.max, group.max);
    row.clients.add(group.client[0]);
    out.set(key, row);
  }
  return [...out.values()].sort((a, b) => (a.cents < b.cents ? 1 : -1));
}

function result(id, query) {
  const set = (columns, rows) => ({
    panel: id,
    columns: columns.map(([name, type]) => ({ name, type })),
    rows,
    versions: { "silver/ventes_aggreges": published, "silver/ventes_par_pays": published, "silver/ventes_par_segment": published, "bronze/ventes_stream": bronze },
    took_ms: 1.4,
    truncated: false,
  });
  const dec = "DECIMAL(38,2)";
  switch (id) {
    case "overview": {
      const [row] = sum(query, () => "all");
      const columns = [["revenue", dec], ["sales", "BIGINT"], ["average_basket", "DECIMAL(38,6)"], ["largest_sale", dec], ["items_sold", "BIGINT"], ["active_clients", "BIGINT"]];
      return set(columns, row ? [[money(row.cents), row.count, mean(row.cents, row.count), money(row.max), row.quantity, row.clients.size]] : []);
    }
    case "revenue_over_time": {
      const rows = [...minutes].map(([key, value]) => [...key.split("|"), value]).filter(([, pays]) => !query.get("pays") || query.get("pays") === pays);
      const newest = Math.max(...rows.map(([at]) => Number(at)));
      return set([["time", "TIMESTAMP WITH TIME ZONE"], ["pays", "VARCHAR"], ["revenue", dec]], rows.filter(([at]) => Number(at) < newest && Number(at) > newest - 3 * 86_400_000).map(([at, pays, value]) => [new Date(Number(at)).toISOString(), pays, money(value.cents)]));
    }
    case "segments":
      return set([["segment", "VARCHAR"], ["sales", "BIGINT"], ["revenue", dec]], sum(query, (g) => g.client[3]).map((r) => [r.key, r.count, money(r.cents)]));
    case "top_clients":
      return set([["client_id", "BIGINT"], ["client_nom", "VARCHAR"], ["pays", "VARCHAR"], ["segment", "VARCHAR"], ["total_depense", dec]], sum(query, (g) => g.client[0]).map((r) => [r.key, r.group.client[1], r.group.client[2], r.group.client[3], money(r.cents)]));
    case "countries":
      return set([["pays", "VARCHAR"], ["revenue", dec]], sum(query, (g) => g.client[2]).map((r) => [r.key, money(r.cents)]));
    case "loyalty":
      return set([["segment_depense", "VARCHAR"], ["clients", "BIGINT"], ["total_depense", dec]], sum(query, (g) => (g.cents >= 500_000_000n ? "Premium" : g.cents >= 300_000_000n ? "Standard" : "Economy")).map((r) => [r.key, r.clients.size, money(r.cents)]));
    case "performance":
      return set([["pays", "VARCHAR"], ["sales", "BIGINT"], ["items_sold", "BIGINT"], ["revenue", dec], ["average_sale", "DECIMAL(38,6)"], ["clients", "BIGINT"]], sum(query, (g) => g.client[2]).map((r) => [r.key, r.count, r.quantity, money(r.cents), mean(r.cents, r.count), r.clients.size]));
    case "latest":
      return set([["timestamp", "TIMESTAMP WITH TIME ZONE"], ["client_nom", "VARCHAR"], ["produit_nom", "VARCHAR"], ["quantite", "INTEGER"], ["montant", "DECIMAL(12,2)"], ["pays", "VARCHAR"]], latest.filter((s) => !query.get("pays") || s.client[2] === query.get("pays")).slice(0, 10).map((s) => [new Date(s.at).toISOString(), s.client[1], s.product[1], s.quantity, money(s.cents), s.client[2]]));
  }
  return null;
}

function api(path, query) {
  if (path === "/page") return page;
  if (path === "/status") return status();
  if (path === "/views") {
    return views.map((name) => ({ name, table: `silver/${name}`, columns: [], keys: keys[name], partition_by: ["jour"], sql: `SELECT ${keys[name].join(", ")}, sum(montant) AS revenue_total, count(*) AS total_transactions\nFROM bronze.ventes_stream\nGROUP BY ${keys[name].join(", ")}` }));
  }
  if (path.startsWith("/filters/")) {
    const at = { jour: (g) => g.day, pays: (g) => g.client[2], segment: (g) => g.client[3] }[path.slice(9)];
    return at && { values: [...new Set([...groups.values()].map(at))].sort() };
  }
  if (path.startsWith("/panels/")) return result(decodeURIComponent(path.slice(8)), query);
  if (path === "/quarantine" || path === "/late") {
    const rows = path === "/late" ? [] : Array.from({ length: 20 }, (_, i) => [new Date(Date.now() - i * 61_000).toISOString(), i % 3 ? "missing_field" : "wrong_type", i % 2, 20_000 + i * 71, i % 3 ? '{"vente_id":8812,"client_id":3}' : '{"vente_id":"<script>alert(1)</script>"}']);
    return {
      counts: path === "/late" ? [] : [{ reason: "missing_field", rows: 13 }, { reason: "wrong_type", rows: 7 }],
      columns: [["quarantined_at", "TIMESTAMP WITH TIME ZONE"], ["reason", "VARCHAR"], ["_partition", "INTEGER"], ["_offset", "BIGINT"], ["raw", "VARCHAR"]].map(([name, type]) => ({ name, type })),
      rows: rows.filter((row) => !query.get("reason") || row[1] === query.get("reason")),
      truncated: false,
    };
  }
  if (path === "/history") return Array.from({ length: 30 }, (_, i) => ({ version: bronze - i, timestamp: new Date(Date.now() - i * 250).toISOString(), operation: "WRITE", rows: 250 + (i % 9), files: 1 }));
  if (path === "/provenance") {
    const view = query.get("view");
    if (!views.includes(view)) return null;
    return {
      view,
      view_version: published,
      bronze_table: "bronze/ventes_stream",
      bronze_version: bronze,
      bronze_commit_time: new Date().toISOString(),
      files: Array.from({ length: 12 }, (_, i) => ({ path: `jour=2025-01-0${1 + (i % 5)}/part-6f1c2d3e-88${10 + i}-4a5b-9c0d-1e2f3a4b5c${10 + i}.parquet`, bytes: 48_211 + i * 997, rows: 3_912 + i * 17, partition: { jour: `2025-01-0${1 + (i % 5)}` } })),
      files_total: 214,
      ranges: offsets.map((offset, partition) => ({ source: "kafka/ventes_stream", partition, first_offset: 0, last_offset: offset, rows: Math.round(offset / 2) })),
      rows_total: Math.round(offsets[0] / 2) + Math.round(offsets[1] / 2),
    };
  }
  return null;
}

// ---- HTTP ---------------------------------------------------------------------------------------------------------------

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  const send = (code, body, type = "application/json") => {
    response.writeHead(code, { "Content-Type": type, "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer" });
    response.end(body);
  };
  if (url.pathname === "/fake/drop" || url.pathname === "/fake/down") {
    downUntil = Date.now() + Number(url.searchParams.get("ms") ?? 0);
    for (const stream of streams) stream.destroy();
    return send(200, "{}");
  }
  if (url.pathname === "/fake/fail") {
    failing = url.searchParams.get("panel");
    return send(200, "{}");
  }
  if (url.pathname === "/fake/seen") return send(200, JSON.stringify(seen));
  if (Date.now() < downUntil) return request.socket.destroy();
  if (url.pathname === "/api/v1/events") {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "Content-Security-Policy": policy });
    response.write("retry: 1000\n\n");
    const last = request.headers["last-event-id"];
    seen.push(last ?? null);
    if (last !== undefined) for (const event of ring) if (event.id > Number(last)) response.write(event.text);
    streams.add(response);
    response.on("close", () => streams.delete(response));
    return;
  }
  if (url.pathname.startsWith("/api/v1/")) {
    const path = url.pathname.slice("/api/v1".length);
    if (failing && path === `/panels/${failing}`) {
      return send(503, JSON.stringify({ error: { id: "query_timeout", code: 503, what: "The query took longer than 5 s.", why: "The view has grown.", fix: "Narrow it by a filter." } }));
    }
    const document = api(path, url.searchParams);
    return document ? send(200, JSON.stringify(document)) : send(404, JSON.stringify({ error: { id: "not_found", code: 404, what: `There is no ${path}.` } }));
  }
  const file = normalize(url.pathname === "/" ? "/index.html" : url.pathname);
  try {
    send(200, readFileSync(join(dist, file)), types[extname(file)] ?? "application/octet-stream");
  } catch {
    send(404, "not found", "text/plain");
  }
});
server.listen(Number(options.port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
