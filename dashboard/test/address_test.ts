import assert from "node:assert/strict";
import { test } from "node:test";
import { panelQuery, readFilters, readSection, writeFilters } from "../src/address";

const known = [{ id: "jour" }, { id: "pays" }];

test("filters survive the way through the address, whatever their characters", () => {
  for (const value of ["France", "Côte d'Ivoire", "a&b=c", "100% + 1", "<script>", "#x"]) {
    const search = writeFilters("", known, { pays: value });
    assert.deepEqual(readFilters(search, known), { pays: value });
  }
});

test("an empty value is no filter, and what is no filter stays", () => {
  assert.equal(writeFilters("?pays=France&debug=1", known, { pays: "" }), "?debug=1");
  assert.equal(writeFilters("?pays=France", known, {}), "");
  assert.deepEqual(readFilters("?pays=&other=1", known), {});
});

test("a panel is asked with the filters it takes only", () => {
  const values = { jour: "2025-01-01", pays: "France" };
  assert.equal(panelQuery({ filters: ["pays"] }, values), "?pays=France");
  assert.equal(panelQuery({}, values), "");
});

test("the section is the fragment", () => {
  assert.equal(readSection("#pipeline"), "pipeline");
  assert.equal(readSection(""), "business");
  assert.equal(readSection("#anything"), "business");
});
