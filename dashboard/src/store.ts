// Everything the page knows, in one place: the page document, the last status, the connection, what is paused, and the
// result of every panel. Events come in from `Live`; components read by `useStore`.
import { useEffect, useState } from "preact/hooks";
import { panelQuery, readFilters, readSection, writeFilters, type FilterValues, type Section } from "./address";
import { get } from "./api";
import { followsBronze, viewKey, type Page, type Panel, type ResultSet, type Status, type ViewDefinition } from "./contract";
import { refetchIn, type Connection, type RefetchState } from "./freshness";
import { formatter, type Formatter } from "./format";
import { Live } from "./live";
import type { SseEvent } from "./sse";

const viewIntervalMs = 400;
const bronzeIntervalMs = 1000;
const afterErrorMs = 4000;
const historyLength = 600; // ten minutes of a status a second

export interface Sample {
  at: number; // seconds since 1970
  perSecond: number;
  freshnessMs: number | null;
  batchMs: number | null;
}

export interface PanelState extends RefetchState {
  result: ResultSet | null;
  error: unknown;
  query: string; // the filters `result` was asked with
}

export type Detail =
  | { kind: "provenance"; panel: Panel; version: number | null; columns: ResultSet["columns"]; row: ResultSet["rows"][number] }
  | { kind: "rejects"; which: "quarantine" | "late" }
  | { kind: "history"; table: string }
  | { kind: "view"; view: string };

export interface State {
  page: Page | null;
  pageError: unknown;
  views: ViewDefinition[];
  status: Status | null;
  statusAt: number;
  connection: Connection;
  retryAt: number | null;
  everLive: boolean;
  pausedAt: number | null;
  section: Section;
  filters: FilterValues;
  filterValues: Record<string, string[]>;
  panels: Record<string, PanelState>;
  samples: Sample[];
  detail: Detail | null;
  announcement: string;
  format: Formatter;
}

const emptyPanel: PanelState = { result: null, error: null, query: "", dirty: true, inFlight: false, lastStartedAt: -1e9, tookMs: 0 };

export class Store {
  state: State = {
    page: null,
    pageError: null,
    views: [],
    status: null,
    statusAt: 0,
    connection: "connecting",
    retryAt: null,
    everLive: false,
    pausedAt: null,
    section: readSection(location.hash),
    filters: {},
    filterValues: {},
    panels: {},
    samples: [],
    detail: null,
    announcement: "",
    format: formatter("en", ""),
  };

  private readonly listeners = new Set<() => void>();
  private readonly live = new Live("/api/v1/events", {
    onEvent: (event) => this.onEvent(event),
    onConnection: (connection, retryAt) => this.onConnection(connection, retryAt),
  });
  private readonly aborts = new Map<string, AbortController>();
  private latestStatus: Status | null = null; // also while paused
  private timer: number | null = null;
  private notifying = false;

  start(): void {
    window.addEventListener("popstate", () => this.onAddress());
    window.addEventListener("hashchange", () => this.onAddress());
    document.addEventListener("visibilitychange", () => this.schedule());
    void this.loadPage();
    this.live.start();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    if (this.notifying) return;
    this.notifying = true;
    queueMicrotask(() => {
      this.notifying = false;
      for (const listener of [...this.listeners]) listener();
    });
  }

  /** For screen readers: changes of state only, never numbers. */
  announce(text: string): void {
    this.set({ announcement: text });
  }

  // ---- the page document ----------------------------------------------------------------------------------------

  async loadPage(): Promise<void> {
    try {
      const page = await get<Page>("/api/v1/page");
      document.title = `${page.title} · Inlet`;
      const panels = Object.fromEntries(page.panels.map((panel) => [panel.id, this.state.panels[panel.id] ?? emptyPanel]));
      this.set({
        page,
        pageError: null,
        panels,
        filters: readFilters(location.search, page.filters),
        format: formatter(page.locale, page.currency, page.timezone),
      });
      this.schedule();
      void this.loadRest(page);
    } catch (error) {
      if (!this.state.page) this.set({ pageError: error });
    }
  }

  private async loadRest(page: Page): Promise<void> {
    const quietly = async (work: Promise<void>): Promise<void> => work.catch(() => undefined);
    await Promise.all([
      quietly(get<ViewDefinition[]>("/api/v1/views").then((views) => this.set({ views }))),
      quietly(this.state.status ? Promise.resolve() : get<Status>("/api/v1/status").then((status) => this.onStatus(status))),
      ...page.filters.map((filter) => quietly(this.loadFilter(filter.id))),
    ]);
  }

  /** Values come and go with the events: they are asked for again when a person turns to the filter. */
  async loadFilter(id: string): Promise<void> {
    try {
      const { values } = await get<{ values: unknown[] }>(`/api/v1/filters/${encodeURIComponent(id)}`);
      const known = values.filter((value) => value !== null).map(String);
      if (known.join("\n") !== (this.state.filterValues[id] ?? []).join("\n")) {
        this.set({ filterValues: { ...this.state.filterValues, [id]: known } });
      }
    } catch {
      // the filter keeps what it knows
    }
  }

  // ---- what the person does -------------------------------------------------------------------------------------

  setFilter(id: string, value: string): void {
    const { page } = this.state;
    if (!page) return;
    const filters = { ...this.state.filters, [id]: value };
    history.pushState(null, "", `${location.pathname}${writeFilters(location.search, page.filters, filters)}${location.hash}`);
    const filter = page.filters.find((f) => f.id === id);
    this.applyFilters(filters);
    this.announce(value ? `Filtered: ${filter?.title ?? id} ${value}` : `Filter ${filter?.title ?? id} cleared`);
  }

  clearFilters(): void {
    const { page } = this.state;
    if (!page) return;
    history.pushState(null, "", `${location.pathname}${writeFilters(location.search, page.filters, {})}${location.hash}`);
    this.applyFilters({});
    this.announce("All filters cleared");
  }

  private applyFilters(filters: FilterValues): void {
    const { page } = this.state;
    if (!page) return;
    const panels = { ...this.state.panels };
    for (const panel of page.panels) {
      const state = panels[panel.id] as PanelState;
      if (panelQuery(panel, filters) !== panelQuery(panel, this.state.filters)) {
        this.aborts.get(panel.id)?.abort();
        panels[panel.id] = { ...state, dirty: true, inFlight: false, lastStartedAt: -1e9, tookMs: 0 };
      }
    }
    this.set({ filters, panels });
    this.schedule();
  }

  setSection(section: Section): void {
    const hash = section === "pipeline" ? "#pipeline" : "";
    history.pushState(null, "", `${location.pathname}${location.search}${hash}`);
    this.set({ section });
    this.schedule();
  }

  private onAddress(): void {
    this.set({ section: readSection(location.hash) });
    if (this.state.page) this.applyFilters(readFilters(location.search, this.state.page.filters));
  }

  togglePause(): void {
    if (this.state.pausedAt === null) {
      this.set({ pausedAt: Date.now() });
      this.announce("Display paused. Events keep flowing.");
      return;
    }
    this.set({ pausedAt: null, ...(this.latestStatus ? { status: this.latestStatus, statusAt: Date.now() } : {}) });
    this.announce("Display resumed");
    this.schedule();
  }

  open(detail: Detail): void {
    this.set({ detail });
  }

  close(): void {
    this.set({ detail: null });
  }

  retry(panelId: string): void {
    this.changePanel(panelId, { dirty: true, tookMs: 0, lastStartedAt: -1e9 });
    this.schedule();
  }

  reconnect(): void {
    this.live.retryNow();
  }

  // ---- what the server says -------------------------------------------------------------------------------------

  private onConnection(connection: Connection, retryAt: number | null): void {
    const before = this.state.connection;
    if (connection === "live") {
      this.set({ connection, retryAt: null, everLive: true });
      if (before === "lost") {
        this.announce("Connection is back. The page is up to date.");
        if (this.state.page) {
          this.markAll();
          void this.loadRest(this.state.page);
        } else void this.loadPage();
      }
      return;
    }
    this.set({ connection, retryAt });
    if (before !== "lost") this.announce("Connection lost. Trying to reconnect.");
  }

  private onEvent(event: SseEvent): void {
    if (event.type === "reset") return this.markAll();
    let data: unknown;
    try {
      data = JSON.parse(event.data);
    } catch {
      return;
    }
    if (event.type === "status") this.onStatus(data as Status);
    else if (event.type === "published") this.markView(viewKey((data as { view: string }).view));
    else if (event.type === "committed") this.markView(null);
  }

  private onStatus(status: Status): void {
    this.latestStatus = status;
    const samples = [
      ...this.state.samples.slice(-historyLength + 1),
      { at: Date.now() / 1000, perSecond: status.events.per_second, freshnessMs: status.freshness_ms, batchMs: status.batch.last_ms },
    ];
    if (this.state.pausedAt !== null) this.set({ samples });
    else this.set({ status, statusAt: Date.now(), samples });
  }

  private markView(view: string | null): void {
    const { page } = this.state;
    if (!page) return;
    const panels = { ...this.state.panels };
    for (const panel of page.panels) {
      const bronze = followsBronze(panel, this.state.views);
      if (view === null ? bronze : !bronze && viewKey(panel.view ?? "") === view) {
        panels[panel.id] = { ...(panels[panel.id] as PanelState), dirty: true };
      }
    }
    this.set({ panels });
    this.schedule();
  }

  private markAll(): void {
    const panels: Record<string, PanelState> = {};
    for (const [id, panel] of Object.entries(this.state.panels)) panels[id] = { ...panel, dirty: true, lastStartedAt: -1e9 };
    this.set({ panels });
    this.schedule();
  }

  // ---- the results of panels ------------------------------------------------------------------------------------

  private changePanel(id: string, change: Partial<PanelState>): void {
    const state = this.state.panels[id];
    if (state) this.set({ panels: { ...this.state.panels, [id]: { ...state, ...change } } });
  }

  /** Starts what is due and sets one timer for what comes next. */
  private schedule(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const { page, panels, pausedAt, section } = this.state;
    if (!page) return;
    const now = performance.now();
    const hidden = document.visibilityState === "hidden" || section !== "business";
    let next = Number.POSITIVE_INFINITY;
    for (const panel of page.panels) {
      const state = panels[panel.id] as PanelState;
      // What the person asked for comes while paused too; what only time brings does not.
      const asked = state.result === null || state.query !== panelQuery(panel, this.state.filters);
      const held = (!asked && pausedAt !== null) || (hidden && state.result !== null);
      const wait = refetchIn(state, now, followsBronze(panel, this.state.views) ? bronzeIntervalMs : viewIntervalMs, held);
      if (wait === null) continue;
      if (wait > 0) next = Math.min(next, wait);
      else void this.fetchPanel(panel);
    }
    if (Number.isFinite(next)) this.timer = window.setTimeout(() => this.schedule(), next + 1);
  }

  private async fetchPanel(panel: Panel): Promise<void> {
    const query = panelQuery(panel, this.state.filters);
    const abort = new AbortController();
    this.aborts.set(panel.id, abort);
    const started = performance.now();
    this.changePanel(panel.id, { dirty: false, inFlight: true, lastStartedAt: started });
    try {
      const result = await get<ResultSet>(`/api/v1/panels/${encodeURIComponent(panel.id)}${query}`, abort.signal);
      if (abort.signal.aborted) return;
      this.changePanel(panel.id, { result, query, error: null, inFlight: false, tookMs: performance.now() - started });
    } catch (error) {
      if (abort.signal.aborted) return;
      this.changePanel(panel.id, { error, inFlight: false, tookMs: Math.max(performance.now() - started, afterErrorMs / 4) });
    }
    this.schedule();
  }
}

export const store = new Store();

/** Re-renders when the selected part of the state is another object. */
export function useStore<T>(select: (state: State) => T): T {
  const [value, setValue] = useState(() => select(store.state));
  useEffect(() => {
    const update = (): void => setValue(() => select(store.state));
    update();
    return store.subscribe(update);
  }, []);
  return value;
}

/** Re-renders every `ms`; its value is the time. */
export function useNow(ms: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return now;
}
