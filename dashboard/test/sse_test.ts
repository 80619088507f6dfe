import assert from "node:assert/strict";
import { test } from "node:test";
import { failed, fresh, SseParser, waitBefore, type Resume, type SseEvent } from "../src/sse";

function read(chunks: string[], from: Resume = fresh): { events: SseEvent[]; resume: Resume } {
  const events: SseEvent[] = [];
  let resume = from;
  const parser = new SseParser(
    from,
    (event) => events.push(event),
    (next) => {
      resume = next;
    },
  );
  for (const chunk of chunks) parser.push(chunk);
  return { events, resume };
}

const stream = 'retry: 2500\n\n: hello\n\nid: 7\nevent: published\ndata: {"view":"x"}\n\nid: 8\nevent: status\ndata: a\ndata: b\n\n';

test("events are the same however the stream is cut", () => {
  const whole = read([stream]);
  assert.deepEqual(whole.events, [
    { type: "published", data: '{"view":"x"}' },
    { type: "status", data: "a\nb" },
  ]);
  assert.deepEqual(whole.resume, { lastEventId: "8", retryMs: 2500, failures: 0 });
  for (let cut = 1; cut < stream.length; cut++) {
    assert.deepEqual(read([stream.slice(0, cut), stream.slice(cut)]), whole, `cut at ${cut}`);
  }
  assert.deepEqual(read([...stream]), whole);
  assert.deepEqual(read([...stream.replaceAll("\n", "\r\n")]), whole);
  assert.deepEqual(read([`\ufeff${stream}`]), whole);
});

test("an event cut in half leaves no trace: it is asked for again", () => {
  const { events, resume } = read(['id: 4\ndata: x\n\nid: 5\nevent: status\ndata: {"half"']);
  assert.equal(events.length, 1);
  assert.equal(resume.lastEventId, "4");
});

test("an id is kept until another comes, and one with NUL is none", () => {
  assert.equal(read(["id: 4\ndata: x\n\ndata: y\n\n"]).resume.lastEventId, "4");
  assert.equal(read(["id: 4\ndata: x\n\nid: 5\0\ndata: y\n\n"]).resume.lastEventId, "4");
  assert.equal(read(["data: y\n\n"], { ...fresh, lastEventId: "41" }).resume.lastEventId, "41");
});

test("waits double with every failure, up to a limit, and an event starts them anew", () => {
  let resume: Resume = fresh;
  const waits = Array.from({ length: 7 }, () => waitBefore((resume = failed(resume)), 0.5));
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  assert.ok(waitBefore(resume, 0) === 12_000 && waitBefore(resume, 1) === 18_000);
  assert.equal(read(["data: x\n\n"], resume).resume.failures, 0);
});

test("a server cannot make the page wait for ever", () => {
  assert.equal(read(["retry: 99999999\n\n"]).resume.retryMs, 15_000);
  assert.equal(read(["retry: soon\n\n"]).resume.retryMs, 1000);
});
