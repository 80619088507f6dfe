import assert from "node:assert/strict";
import { test } from "node:test";
import { lengths, roles, seconds, shares, spans, steadyOrder, timeline, whereOf } from "../src/arrange";
import { followsBronze, viewKey } from "../src/contract";

const columns = [
  { name: "client_id", type: "BIGINT" },
  { name: "client", type: "VARCHAR" },
  { name: "country", type: "VARCHAR" },
  { name: "spent", type: "DECIMAL(38,2)" },
];

test("a panel that names its columns is obeyed, one that does not is read sensibly", () => {
  assert.deepEqual(roles({ label: "country", value: "spent" }, columns), { label: 2, value: 3, details: [1] });
  assert.deepEqual(roles({}, columns), { label: 1, value: 3, details: [2] });
  assert.deepEqual(roles({ label: "gone", value: "gone" }, columns), { label: 1, value: 3, details: [2] });
});

test("bars are measured against the longest, shares against the sum", () => {
  const rows = [["50.00"], ["100.00"], [null], ["-5"]];
  assert.deepEqual(lengths(rows, 0), [0.5, 1, 0, 0]);
  assert.deepEqual(shares([["1"], ["3"]], 0), [0.25, 0.75]);
  assert.deepEqual(shares([["0"]], 0), [0]);
});

test("a label keeps its colour when ranks change", () => {
  const before = steadyOrder(["b", "a", "c"]);
  const after = steadyOrder(["c", "b", "a"]);
  assert.equal(before[0], after[1]);
  assert.equal(before[2], after[0]);
});

test("rows in any order become lines over shared times", () => {
  const result = {
    columns: [{ name: "t", type: "TIMESTAMP" }, { name: "who", type: "VARCHAR" }, { name: "n", type: "BIGINT" }],
    rows: [["2025-01-01T00:01:00Z", "b", 3], ["2025-01-01T00:00:00Z", "b", 1], ["2025-01-01T00:01:00Z", "a", "2"], ["never", "a", 9]],
  };
  const line = timeline({ time: "t", value: "n", series: "who" }, result);
  assert.deepEqual(line.times.map((at) => at - (line.times[0] as number)), [0, 60]);
  assert.deepEqual(line.series, [{ name: "a", points: [null, 2] }, { name: "b", points: [1, 3] }]);
  const both = timeline({}, { columns: [{ name: "day", type: "DATE" }, { name: "n", type: "BIGINT" }, { name: "m", type: "DOUBLE" }], rows: [["2025-01-01", 1, 2]] });
  assert.deepEqual(both.series.map((series) => series.name), ["n", "m"]);
});

test("a timestamp without a zone is UTC", () => {
  assert.equal(seconds("2025-01-01 00:00:00"), seconds("2025-01-01T00:00:00Z"));
  assert.equal(seconds("2025-01-01"), seconds("2025-01-01T00:00:00Z"));
});

test("no row of the grid has a hole", () => {
  const panel = (kind: "tiles" | "table", wide = false) => ({ kind, wide });
  assert.deepEqual(spans([panel("tiles"), panel("table", true), panel("table"), panel("table"), panel("table", true)], 3), [3, 2, 1, 1, 2]);
  assert.deepEqual(spans([panel("table"), panel("table"), panel("table", true)], 3), [1, 2, 3]);
  assert.deepEqual(spans([panel("table")], 3), [3]);
  assert.deepEqual(spans([panel("table"), panel("table"), panel("table")], 2), [1, 1, 2]);
  assert.deepEqual(spans([panel("table", true), panel("tiles")], 1), [1, 1]);
});

test("provenance is asked with the keys a row carries and the filters that are keys", () => {
  const where = whereOf(["client_id", "country", "day"], columns, [3, "Manon", "Belgique", "1.00"], [
    { id: "jour", column: "day", value: "2025-01-01" },
    { id: "product", column: "product", value: "x" },
  ]);
  assert.deepEqual(where, [["day", "2025-01-01"], ["client_id", 3], ["country", "Belgique"]]);
});

test("a key that was renamed to a filter's name is recognised", () => {
  const filters = [{ id: "country", column: "pays", value: "" }];
  assert.deepEqual(whereOf(["pays", "jour"], columns, [3, "Manon", "Belgique", "1.00"], filters), [["pays", "Belgique"]]);
  assert.deepEqual(whereOf(["jour"], columns, [3, "Manon", "Belgique", "1.00"], filters), []);
  assert.deepEqual(whereOf(["pays"], columns, [3, "Manon", null, "1.00"], filters), [["pays", null]], "NULL is a key like any other");
});

test("panels over bronze follow commits, panels over views follow their publication", () => {
  const views = [{ name: "x" }];
  assert.deepEqual([null, "bronze.x2", "silver.x", "raw.y"].map((view) => followsBronze({ view }, views)), [true, true, false, true]);
  assert.deepEqual(["bronze.x", "silver.x"].map((view) => followsBronze({ view }, [])), [true, false]);
});

test("a view is the same by any of its names", () => {
  assert.deepEqual(["silver.x", "silver/x", "x"].map(viewKey), ["x", "x", "x"]);
});
