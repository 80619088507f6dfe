import assert from "node:assert/strict";
import { test } from "node:test";
import { ageNow, isSilent, levelOf, refetchIn, type RefetchState } from "../src/freshness";

test("numbers do not age between two statuses, and do when no status comes", () => {
  assert.equal(ageNow(400, 1000, 1900), 400);
  assert.equal(ageNow(400, 1000, 11_000), 10_400);
  assert.equal(ageNow(null, 1000, 11_000), null);
});

test("levels", () => {
  assert.deepEqual([0, 2000, 2001, 10_001, null].map(levelOf), ["good", "good", "slow", "stale", "unknown"]);
});

test("silence is taken for a dead connection only after the heartbeat is missed", () => {
  assert.ok(!isSilent(0, 11_000));
  assert.ok(isSilent(0, 15_001));
});

const calm: RefetchState = { dirty: true, inFlight: false, lastStartedAt: 0, tookMs: 10 };

test("the first change after a calm is fetched at once, the next ones at the pace", () => {
  assert.equal(refetchIn(calm, 5000, 400, false), 0);
  assert.equal(refetchIn({ ...calm, lastStartedAt: 4900 }, 5000, 400, false), 300);
});

test("a slow query is asked at most a quarter of the time", () => {
  assert.equal(refetchIn({ ...calm, lastStartedAt: 4000, tookMs: 900 }, 5000, 400, false), 2600);
});

test("nothing is fetched without a change, twice at a time, or while held", () => {
  assert.equal(refetchIn({ ...calm, dirty: false }, 5000, 400, false), null);
  assert.equal(refetchIn({ ...calm, inFlight: true }, 5000, 400, false), null);
  assert.equal(refetchIn(calm, 5000, 400, true), null);
});
