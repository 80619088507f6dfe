// Server-sent events, the pure half: bytes already decoded to text in, events out, and what is needed to resume.
// Format: WHATWG HTML, section 9.2 "Server-sent events".

export interface SseEvent {
  type: string;
  data: string;
}

/** What a stream leaves behind when it breaks, and the next one starts from. */
export interface Resume {
  lastEventId: string;
  retryMs: number;
  failures: number; // connections in a row that ended before an event came
}

export const fresh: Resume = { lastEventId: "", retryMs: 1000, failures: 0 };
const longestWaitMs = 15_000;

export class SseParser {
  private buffer = "";
  private data: string[] = [];
  private type = "";
  private started = false;
  private id: string;

  constructor(
    private resume: Resume,
    private readonly onEvent: (event: SseEvent, resume: Resume) => void,
    private readonly onResume: (resume: Resume) => void,
  ) {
    this.id = resume.lastEventId;
  }

  push(text: string): void {
    if (!this.started && text.length > 0) {
      this.started = true;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    this.buffer += text;
    for (;;) {
      const end = this.buffer.search(/[\r\n]/);
      if (end < 0) return;
      // A CR that ends the text may be half of a CRLF: wait for what follows.
      if (this.buffer[end] === "\r" && end === this.buffer.length - 1) return;
      const line = this.buffer.slice(0, end);
      this.buffer = this.buffer.slice(end + (this.buffer.startsWith("\r\n", end) ? 2 : 1));
      this.line(line);
    }
  }

  private line(line: string): void {
    if (line === "") return this.dispatch();
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.data.push(value);
    else if (field === "event") this.type = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) {
      this.resume = { ...this.resume, retryMs: Math.min(Number(value), longestWaitMs) };
      this.onResume(this.resume);
    }
  }

  private dispatch(): void {
    this.resume = { ...this.resume, lastEventId: this.id };
    const { data, type } = this;
    this.data = [];
    this.type = "";
    if (data.length === 0) return this.onResume(this.resume);
    this.resume = { ...this.resume, failures: 0 };
    this.onResume(this.resume);
    this.onEvent({ type: type || "message", data: data.join("\n") }, this.resume);
  }
}

/** How long to wait before the next attempt: the server's `retry`, doubled with every failure, spread by ±20%. */
export function waitBefore(resume: Resume, random: number): number {
  const wait = Math.min(resume.retryMs * 2 ** Math.min(Math.max(resume.failures - 1, 0), 6), longestWaitMs);
  return Math.round(wait * (0.8 + 0.4 * random));
}

export function failed(resume: Resume): Resume {
  return { ...resume, failures: resume.failures + 1 };
}
