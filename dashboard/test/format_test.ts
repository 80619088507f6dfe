import assert from "node:assert/strict";
import { test } from "node:test";
import { columnTitle, columnType, formatter, isNumeric, offsetSpan } from "../src/format";

const fr = formatter("fr-FR", "EUR");
const en = formatter("en-US", "USD");
/** Intl's spaces are narrow or no-break: only their being spaces matters here. */
const plain = (text: string): string => text.replace(/\s/g, " ");
const column = (type: string, name = "x") => ({ name, type });

test("type names of DuckDB are understood", () => {
  assert.deepEqual(columnType("DECIMAL(38,2)"), { kind: "decimal", scale: 2 });
  assert.equal(columnType("HUGEINT").kind, "integer");
  assert.equal(columnType("UBIGINT").kind, "integer");
  assert.equal(columnType("TIMESTAMP WITH TIME ZONE").kind, "timestamp");
  assert.equal(columnType("VARCHAR").kind, "text");
  assert.equal(columnType("INTERVAL").kind, "text");
  assert.ok(isNumeric(column("DOUBLE")) && !isNumeric(column("DATE")));
});

test("a decimal beyond a double keeps every digit", () => {
  assert.equal(en.value("98765432109876543210.12", column("DECIMAL(38,2)")), "98,765,432,109,876,543,210.12");
  assert.equal(plain(fr.value("98765432109876543210.12", column("DECIMAL(38,2)"), true)), "98 765 432 109 876 543 210,12 €");
});

test("a large integer sent as text keeps every digit", () => {
  assert.equal(en.value("9223372036854775807", column("BIGINT")), "9,223,372,036,854,775,807");
  assert.equal(en.count("9223372036854775807"), "9,223,372,036,854,775,807");
});

test("money is rounded half away from zero on its decimal digits", () => {
  assert.equal(en.value("1.005", column("DECIMAL(38,3)"), true), "$1.01");
  assert.equal(en.value("-1.005", column("DECIMAL(38,3)"), true), "-$1.01");
});

test("an average shows four of its six decimals at most", () => {
  assert.equal(en.value("12.345678", column("DECIMAL(38,6)")), "12.3457");
  assert.equal(en.value("12.500000", column("DECIMAL(38,6)")), "12.50");
});

test("an identifier is not grouped", () => {
  assert.equal(en.value(1234567, column("BIGINT", "vente_id")), "1234567");
  assert.equal(en.value(1234567, column("BIGINT", "paid")), "1,234,567");
});

test("dates stay on their day whatever the reader's zone, timestamps are told in the zone of the data", () => {
  assert.equal(en.value("2025-01-31", column("DATE")), "Jan 31, 2025");
  assert.equal(plain(en.value("2025-01-31T23:30:00Z", column("TIMESTAMP"))), "Jan 31, 2025, 11:30:00 PM");
  assert.equal(plain(formatter("en-US", "USD", "Europe/Paris").value("2025-01-31T23:30:00Z", column("TIMESTAMP"))), "Feb 1, 2025, 12:30:00 AM");
});

test("what is not there is a dash, what cannot be read is shown as it came", () => {
  assert.equal(fr.value(null, column("BIGINT")), "–");
  assert.equal(fr.value("NaN", column("DECIMAL(38,2)")), "NaN");
  assert.equal(fr.value("<b>x</b>", column("VARCHAR")), "<b>x</b>");
  assert.equal(fr.value("soon", column("TIMESTAMP")), "soon");
});

test("booleans are words", () => {
  assert.equal(en.value(true, column("BOOLEAN")), "Yes");
  assert.equal(en.value(false, column("BOOLEAN")), "No");
});

test("an unknown locale or currency does not break the page", () => {
  const odd = formatter("not a locale", "??");
  assert.equal(odd.value("1234.50", column("DECIMAL(12,2)"), true).replace(/\D/g, "").slice(0, 4), "1234");
});

test("sizes, durations and freshness", () => {
  assert.equal(plain(en.bytes(999)), "999 B");
  assert.equal(plain(en.bytes(1_540_000)), "1.5 MB");
  assert.equal(plain(en.duration(3.14)), "3.1 ms");
  assert.equal(plain(en.duration(61_000)), "1 min 1 s");
  assert.equal(plain(en.duration(93_600_000)), "26 h 0 min");
  assert.equal(plain(fr.freshness(412)), "0,4 s");
  assert.equal(plain(en.freshness(12_300)), "12 s");
  assert.equal(en.freshness(null), "–");
});

test("column names become titles", () => {
  assert.equal(columnTitle("total_depense"), "Total depense");
});

test("offsets beyond 2^53 are subtracted exactly", () => {
  assert.equal(offsetSpan("9007199254740993", "9007199254740995"), "3");
  assert.equal(offsetSpan(0, 9), "10");
});
