// The page: header, sections, filters, and what is said about the connection.
import { render } from "preact";
import { useRef } from "preact/hooks";
import { adoptToken, explain } from "./api";
import type { Section } from "./address";
import { spans } from "./arrange";
import type { Page } from "./contract";
import { Drawer } from "./drawer";
import { ageNow, levelOf, quietMs } from "./freshness";
import { PanelCard } from "./panels";
import { Mark, PipelineSection } from "./pipeline";
import { store, useNow, useStore } from "./store";
import { applyTheme, toggleTheme, useTheme } from "./theme";
import "./style.css";

function App() {
  const page = useStore((s) => s.page);
  const pageError = useStore((s) => s.pageError);
  const section = useStore((s) => s.section);
  const announcement = useStore((s) => s.announcement);
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>
        Skip to the numbers
      </a>
      <Header page={page} section={section} />
      <Banner />
      <main id="content" tabIndex={-1}>
        {pageError !== null && !page ? <PageError error={pageError} /> : <Sections page={page} section={section} />}
      </main>
      <Drawer />
      <div class="sr" role="status" aria-live="polite">
        {announcement}
      </div>
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault(); // the fragment of the address is the section's
  document.getElementById("content")?.focus();
}

function Sections({ page, section }: { page: Page | null; section: Section }) {
  return (
    <>
      <div role="tabpanel" id="panel-business" aria-labelledby="tab-business" hidden={section !== "business"}>
        {section === "business" && <Business page={page} />}
      </div>
      <div role="tabpanel" id="panel-pipeline" aria-labelledby="tab-pipeline" hidden={section !== "pipeline"}>
        {section === "pipeline" && (
          <>
            <h1 class="sr">Pipeline</h1>
            <PipelineSection />
          </>
        )}
      </div>
    </>
  );
}

function PageError({ error }: { error: unknown }) {
  const { what, why, fix } = explain(error);
  return (
    <div class="card page-error" role="alert">
      <h1>{what}</h1>
      <p>
        {why} {fix}
      </p>
      <button type="button" class="button" onClick={() => void store.loadPage()}>
        Try again
      </button>
    </div>
  );
}

// ---- header -------------------------------------------------------------------------------------------------------

const sections: Section[] = ["business", "pipeline"];

function Header({ page, section }: { page: Page | null; section: Section }) {
  const tabs = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = sections.indexOf(section);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: sections.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = sections[(to + sections.length) % sections.length] as Section;
    store.setSection(next);
    tabs.current?.querySelector<HTMLElement>(`#tab-${next}`)?.focus();
  };
  return (
    <header class="top">
      <div class="top-inside">
        <div class="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" class="brand-back" />
            <path d="M6 11c4 0 4 3 8 3s4-3 8-3 3 1 4 1.5" class="brand-far" />
            <path d="M6 18c4 0 4 3 8 3s4-3 8-3 3 1 4 1.5" class="brand-near" />
          </svg>
          <div class="brand-text">
            <span class="brand-name">Inlet</span>
            <span class="brand-pipeline">{page?.pipeline ?? "…"}</span>
          </div>
        </div>
        <div class="tabs" role="tablist" aria-label="Sections" ref={tabs} onKeyDown={onKeyDown}>
          {sections.map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`tab-${name}`}
              aria-selected={section === name}
              aria-controls={`panel-${name}`}
              tabIndex={section === name ? 0 : -1}
              onClick={() => store.setSection(name)}
            >
              {name === "business" ? "Dashboard" : "Pipeline"}
            </button>
          ))}
        </div>
        <Vitals />
        <Controls />
      </div>
    </header>
  );
}

function Vitals() {
  const status = useStore((s) => s.status);
  const statusAt = useStore((s) => s.statusAt);
  const connection = useStore((s) => s.connection);
  const paused = useStore((s) => s.pausedAt);
  const format = useStore((s) => s.format);
  const now = useNow(500);
  const age = ageNow(status?.freshness_ms, statusAt, now);
  const level = levelOf(age);
  const quiet = connection === "live" && status !== null && paused === null && now - statusAt > quietMs;
  const state =
    paused !== null
      ? { level: "slow" as const, text: "Paused" }
      : connection === "lost"
        ? { level: "stale" as const, text: "Offline" }
        : connection === "connecting"
          ? { level: "unknown" as const, text: "Connecting" }
          : quiet
            ? { level: "slow" as const, text: "No news" }
            : { level: "good" as const, text: "Live" };
  return (
    <dl class="vitals">
      <div class="vital-state">
        <dt class="sr">Connection</dt>
        <dd>
          <Mark level={state.level}>{state.text}</Mark>
        </dd>
      </div>
      <div class="vital-freshness">
        <dt class="sr">Freshness</dt>
        <dd class={`fresh-${level}`}>
          {age === null ? (
            "No data yet"
          ) : (
            <>
              <b>{format.freshness(age)}</b> {level === "good" ? "fresh" : "behind"}
            </>
          )}
        </dd>
      </div>
      <div class="vital-rate">
        <dt class="sr">Events per second</dt>
        <dd>
          <b>{status ? format.rate(status.events.per_second) : "–"}</b> events/s
        </dd>
      </div>
    </dl>
  );
}

function Controls() {
  const paused = useStore((s) => s.pausedAt !== null);
  const theme = useTheme();
  return (
    <div class="controls">
      <button type="button" class="button pause" onClick={() => store.togglePause()} title={paused ? "Show new numbers again" : "Hold the numbers still; events keep flowing"}>
        <svg viewBox="0 0 20 20" aria-hidden="true">
          {paused ? <path d="M6 4.5v11l9-5.5z" class="solid" /> : <path d="M7 5v10M13 5v10" />}
        </svg>
        <span class="pause-text">{paused ? "Resume" : "Pause"}</span>
      </button>
      <button type="button" class="icon" aria-label={theme === "dark" ? "Light theme" : "Dark theme"} title={theme === "dark" ? "Light theme" : "Dark theme"} onClick={toggleTheme}>
        <svg viewBox="0 0 20 20" aria-hidden="true">
          {theme === "dark" ? (
            <path d="M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1" />
          ) : (
            <path d="M16 12.2A6.5 6.5 0 0 1 7.8 4a6.5 6.5 0 1 0 8.2 8.2z" />
          )}
        </svg>
      </button>
    </div>
  );
}

// ---- what is said about the connection --------------------------------------------------------------------------------

function Banner() {
  const connection = useStore((s) => s.connection);
  const retryAt = useStore((s) => s.retryAt);
  const everLive = useStore((s) => s.everLive);
  const pausedAt = useStore((s) => s.pausedAt);
  const format = useStore((s) => s.format);
  const now = useNow(1000);
  if (connection === "lost") {
    const seconds = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1000));
    return (
      <aside class="banner banner-lost" aria-label="Connection">
        <p>
          <strong>{everLive ? "The connection dropped." : "The server cannot be reached."}</strong>{" "}
          {everLive ? "The numbers are those of the last moment it was there. " : ""}
          {seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…"}
        </p>
        <button type="button" class="button" onClick={() => store.reconnect()}>
          Try now
        </button>
      </aside>
    );
  }
  if (pausedAt !== null) {
    return (
      <aside class="banner banner-paused" aria-label="Paused">
        <p>
          <strong>Display paused at {format.time(pausedAt)}.</strong> Events keep flowing and are all kept.
        </p>
        <button type="button" class="button" onClick={() => store.togglePause()}>
          Resume
        </button>
      </aside>
    );
  }
  return null;
}

// ---- the panels of the pipeline file ------------------------------------------------------------------------------------

function Business({ page }: { page: Page | null }) {
  if (!page) {
    return (
      <div class="grid" aria-busy="true">
        {["c3-3 c2-2", "c3-2 c2-2", "c3-1 c2-1", "c3-1 c2-1", "c3-1 c2-1", "c3-1 c2-1"].map((span, i) => (
          <section key={i} class={`card panel ${span}`}>
            <div class={`skeleton ${i === 0 ? "skeleton-tiles" : ""}`} aria-hidden="true">
              {Array.from({ length: 4 }, (_, k) => (
                <span key={k} />
              ))}
            </div>
          </section>
        ))}
      </div>
    );
  }
  const three = spans(page.panels, 3);
  const two = spans(page.panels, 2);
  return (
    <>
      <div class="page-head">
        <h1>{page.title}</h1>
        <Filters page={page} />
      </div>
      <div class="grid">
        {page.panels.map((panel, i) => (
          <PanelCard key={panel.id} panel={panel} className={`c3-${three[i]} c2-${two[i]}`} />
        ))}
      </div>
    </>
  );
}

function Filters({ page }: { page: Page }) {
  const values = useStore((s) => s.filters);
  const known = useStore((s) => s.filterValues);
  if (page.filters.length === 0) return null;
  const active = page.filters.some((filter) => values[filter.id]);
  return (
    <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      <button type="button" class="quiet" disabled={!active} onClick={() => store.clearFilters()}>
        Clear filters
      </button>
      {page.filters.map((filter) => {
        const value = values[filter.id] ?? "";
        const options = known[filter.id] ?? [];
        return (
          <label key={filter.id} class={value ? "filter filter-on" : "filter"}>
            <span>{filter.title}</span>
            <select name={filter.id} value={value} onFocus={() => void store.loadFilter(filter.id)} onChange={(event) => store.setFilter(filter.id, event.currentTarget.value)}>
              <option value="">All</option>
              {(value && !options.includes(value) ? [value, ...options] : options).map((option) => (
                <option key={option} value={option}>
                  {option}
                </option>
              ))}
            </select>
          </label>
        );
      })}
    </form>
  );
}

adoptToken();
applyTheme();
const root = document.getElementById("app");
if (root) {
  root.replaceChildren();
  render(<App />, root);
  store.start();
}
