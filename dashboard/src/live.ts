// The stream of /api/v1/events, kept open: breaks are noticed (also a silent one), told, and repaired with Last-Event-ID.
import { authorization } from "./api";
import { isSilent, silenceMs, type Connection } from "./freshness";
import { failed, fresh, SseParser, waitBefore, type Resume, type SseEvent } from "./sse";

export interface LiveListener {
  onEvent(event: SseEvent): void;
  onConnection(connection: Connection, retryAt: number | null): void;
}

export class Live {
  private resume: Resume = fresh;
  private abort: AbortController | null = null;
  private timer: number | null = null;
  private heardAt = 0;
  private stopped = false;

  constructor(
    private readonly path: string,
    private readonly listener: LiveListener,
  ) {}

  start(): void {
    window.addEventListener("online", this.retryNow);
    document.addEventListener("visibilitychange", this.onVisible);
    void this.run();
  }

  stop(): void {
    this.stopped = true;
    window.removeEventListener("online", this.retryNow);
    document.removeEventListener("visibilitychange", this.onVisible);
    if (this.timer !== null) clearTimeout(this.timer);
    this.abort?.abort();
  }

  /** Skips the wait for the next attempt; does nothing while connected. */
  readonly retryNow = (): void => {
    if (this.timer === null || this.stopped) return;
    clearTimeout(this.timer);
    this.timer = null;
    void this.run();
  };

  private readonly onVisible = (): void => {
    if (document.visibilityState === "visible") this.retryNow();
  };

  private async run(): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    this.heardAt = performance.now();
    const watch = window.setInterval(() => {
      if (isSilent(this.heardAt, performance.now())) abort.abort();
    }, silenceMs / 5);
    try {
      await this.read(abort.signal);
    } catch {
      // refused, broken or silent: the same to us
    } finally {
      clearInterval(watch);
    }
    if (this.stopped) return;
    this.resume = failed(this.resume);
    const wait = waitBefore(this.resume, Math.random());
    this.listener.onConnection("lost", Date.now() + wait);
    this.timer = window.setTimeout(() => {
      this.timer = null;
      void this.run();
    }, wait);
  }

  private async read(signal: AbortSignal): Promise<void> {
    const headers: Record<string, string> = { Accept: "text/event-stream", ...authorization() };
    if (this.resume.lastEventId) headers["Last-Event-ID"] = this.resume.lastEventId;
    const response = await fetch(this.path, { headers, signal, cache: "no-store" });
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    this.listener.onConnection("live", null);

    const parser = new SseParser(
      this.resume,
      (event) => this.listener.onEvent(event),
      (resume) => {
        this.resume = resume;
      },
    );
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.heardAt = performance.now();
      parser.push(decoder.decode(value, { stream: true }));
    }
  }
}
