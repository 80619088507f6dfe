// The pipeline's own health, from the status document.
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { approximate, columnTitle, missing } from "./format";
import { Chart, describe } from "./chart";
import { viewKey, type Status, type ViewStatus } from "./contract";
import { levelOf, type Level } from "./freshness";
import { store, useStore, type Sample } from "./store";
import { useTheme } from "./theme";

export function PipelineSection() {
  const status = useStore((s) => s.status);
  if (!status) {
    return (
      <div class="grid">
        <section class="card c3-3 c2-2" aria-busy="true">
          <div class="skeleton skeleton-tiles" aria-hidden="true">
            {Array.from({ length: 4 }, (_, i) => (
              <span key={i} />
            ))}
          </div>
        </section>
      </div>
    );
  }
  return (
    <div class="grid">
      <Flow status={status} />
      <EventsChart />
      <Latency status={status} />
      <Views status={status} />
      <Rejects status={status} />
      <Tables status={status} />
      <Partitions status={status} />
    </div>
  );
}

function Card({ id, title, span, note, children }: { id: string; title: string; span: string; note?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class={`card panel ${span}`} aria-labelledby={`health-${id}`} data-health={id}>
      <header class="card-head">
        <h2 id={`health-${id}`}>{title}</h2>
        {note && <p class="card-note">{note}</p>}
      </header>
      {children}
    </section>
  );
}

export function Mark({ level, children }: { level: Level; children: ComponentChildren }) {
  return (
    <span class={`mark mark-${level}`}>
      <span class="dot" aria-hidden="true" />
      {children}
    </span>
  );
}

function totalLag(status: Status): number | null {
  const known = status.partitions.filter((partition) => partition.lag !== null);
  return known.length === 0 ? null : known.reduce((sum, partition) => sum + approximate(partition.lag), 0);
}

/** From the source to the views, as the events go. */
function Flow({ status }: { status: Status }) {
  const format = useStore((s) => s.format);
  const lag = totalLag(status);
  const bronze = status.tables.find((table) => table.name.startsWith("bronze/")) ?? status.tables[0];
  const kind = typeof status.source?.["kind"] === "string" ? String(status.source["kind"]) : null;
  const troubled = status.views.filter((view) => view.error !== null).length;
  return (
    <section class="card flow c3-3 c2-2" aria-label="From the source to the views">
      <ol>
        <Stage name="Source" sub={[kind, `${status.partitions.length} ${status.partitions.length === 1 ? "partition" : "partitions"}`].filter(Boolean).join(", ")}>
          <Figure value={format.rate(status.events.per_second)} unit="events/s" />
          <Line>{lag === null ? "No lag: this source has no end" : lag === 0 ? "Nothing waiting" : `${format.count(lag)} waiting`}</Line>
        </Stage>
        <Stage name="Batch" sub={`${format.count(status.batch.count)} so far`}>
          <Figure value={format.duration(status.batch.p50_ms)} unit="median" />
          <Line>{format.duration(status.batch.p99_ms)} at the 99th percentile</Line>
        </Stage>
        <Stage name="Bronze" sub={bronze ? `version ${format.count(bronze.version)}` : "not there yet"}>
          <Figure value={format.count(status.events.total)} unit="events" />
          <Line>{bronze ? `${format.bytes(bronze.bytes)} in ${format.count(bronze.files)} files` : missing}</Line>
        </Stage>
        <Stage name="Views" sub={`${status.views.length} kept fresh`}>
          <Figure value={format.freshness(status.freshness_ms)} unit="behind now" />
          <Line>{troubled > 0 ? <Mark level="stale">{troubled} in error</Mark> : <Mark level={levelOf(status.freshness_ms)}>{wordOf(levelOf(status.freshness_ms))}</Mark>}</Line>
        </Stage>
      </ol>
      <p class="flow-foot">
        <span>Up {format.duration(status.uptime_s * 1000)}</span>
        <span>{format.bytes(status.process.rss_bytes)} of memory</span>
        <span>{format.duration(status.process.cpu_s * 1000)} of CPU</span>
        {status.watermark && <span>Watermark {format.instant(status.watermark)}</span>}
        <span>Inlet {status.version}</span>
      </p>
    </section>
  );
}

// A view that keeps up is a version behind most of the time: its freshness says more than that.
const keepsUp = (view: ViewStatus): boolean => view.state === "level" || view.state === "behind";
const viewLevel = (view: ViewStatus): Level => (view.state === "failed" ? "stale" : levelOf(view.freshness_ms));
const viewWord = (view: ViewStatus): string => (keepsUp(view) ? wordOf(viewLevel(view)) : columnTitle(view.state));

const wordOf = (level: Level): string => ({ good: "Fresh", slow: "A little behind", stale: "Stale", unknown: "Nothing yet" })[level];

function Stage({ name, sub, children }: { name: string; sub: string; children: ComponentChildren }) {
  return (
    <li>
      <p class="stage-name">
        {name} <span>{sub}</span>
      </p>
      {children}
    </li>
  );
}

function Figure({ value, unit }: { value: string; unit: string }) {
  return (
    <p class="figure">
      <b>{value}</b> <span>{unit}</span>
    </p>
  );
}

function Line({ children }: { children: ComponentChildren }) {
  return <p class="stage-line">{children}</p>;
}

function useSamples(pick: (sample: Sample) => number | null, name: string) {
  const samples = useStore((s) => s.samples);
  const paused = useStore((s) => s.pausedAt);
  const shown = useMemo(() => samples, [paused === null ? samples : paused]);
  return useMemo(() => ({ times: shown.map((sample) => sample.at), series: [{ name, points: shown.map(pick) }] }), [shown]);
}

function EventsChart() {
  const format = useStore((s) => s.format);
  const theme = useTheme();
  const data = useSamples((sample) => sample.perSecond, "events/s");
  const show = (value: number): string => `${format.rate(value)}/s`;
  return (
    <Card id="events" title="Events per second" span="c3-2 c2-2" note="last 10 minutes">
      {data.times.length < 2 ? (
        <div class="chart-wait">Collecting the first seconds…</div>
      ) : (
        <Chart data={data} format={format} show={(value) => format.compact(value)} height={200} atLeast={60} theme={theme} label={describe("Events per second", data, show, (at) => format.time(at * 1000))} />
      )}
    </Card>
  );
}

function Latency({ status }: { status: Status }) {
  const format = useStore((s) => s.format);
  const theme = useTheme();
  const data = useSamples((sample) => sample.batchMs, "last batch");
  return (
    <Card
      id="latency"
      title="Batch latency"
      span="c3-1 c2-2"
      note={
        <>
          p50 <b>{format.duration(status.batch.p50_ms)}</b>, p99 <b>{format.duration(status.batch.p99_ms)}</b>
        </>
      }
    >
      {data.times.length < 2 ? (
        <div class="chart-wait">Collecting the first seconds…</div>
      ) : (
        <Chart data={data} format={format} show={(value) => format.duration(value)} height={200} atLeast={60} theme={theme} label={describe("Batch latency", data, (v) => format.duration(v), (at) => format.time(at * 1000))} />
      )}
    </Card>
  );
}

function Views({ status }: { status: Status }) {
  const format = useStore((s) => s.format);
  return (
    <Card id="views" title="Views" span="c3-2 c2-2">
      <div class="scroll" tabIndex={0} role="region" aria-label="Views, table">
        <table>
          <thead>
            <tr>
              <th scope="col">View</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                Freshness
              </th>
              <th scope="col" class="number">
                Rows
              </th>
              <th scope="col" class="number">
                Version
              </th>
              <th scope="col" class="number">
                Behind bronze
              </th>
              <th scope="col" class="number">
                Apply
              </th>
              <th scope="col" class="number">
                Publish
              </th>
            </tr>
          </thead>
          <tbody>
            {status.views.map((view) => (
              <tr key={view.name} class="opens" onClick={() => store.open({ kind: "view", view: view.name })}>
                <th scope="row">
                  <Opener onOpen={() => store.open({ kind: "view", view: view.name })}>{viewKey(view.name)}</Opener>
                </th>
                <td>
                  {view.error ? <Mark level="stale">{view.error}</Mark> : <Mark level={viewLevel(view)}>{viewWord(view)}</Mark>}
                </td>
                <td class="number">{format.freshness(view.freshness_ms)}</td>
                <td class="number">{format.count(view.rows)}</td>
                <td class="number">{format.count(view.published_version)}</td>
                <td class="number">{format.count(view.lag_versions)}</td>
                <td class="number">{format.duration(view.apply_ms)}</td>
                <td class="number">{format.duration(view.publish_ms)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function Opener({ onOpen, children }: { onOpen: () => void; children: ComponentChildren }) {
  return (
    <button
      type="button"
      class="link"
      aria-haspopup="dialog"
      onClick={(event) => {
        event.stopPropagation();
        onOpen();
      }}
    >
      {children}
    </button>
  );
}

function Rejects({ status }: { status: Status }) {
  const format = useStore((s) => s.format);
  const { quarantined, late, diverted } = status.events;
  return (
    <Card id="rejects" title="Set aside" span="c3-1 c2-2">
      <ul class="asides">
        <li>
          <button type="button" class="aside" aria-haspopup="dialog" onClick={() => store.open({ kind: "rejects", which: "quarantine" })}>
            <span>
              Quarantined
              <small>not what the pipeline file expects</small>
            </span>
            <b>{format.count(quarantined)}</b>
          </button>
        </li>
        <li>
          <button type="button" class="aside" aria-haspopup="dialog" onClick={() => store.open({ kind: "rejects", which: "late" })}>
            <span>
              Late
              <small>{diverted > 0 ? `${format.count(diverted)} diverted to their own table` : "taken all the same, and counted"}</small>
            </span>
            <b>{format.count(late)}</b>
          </button>
        </li>
        {status.expectations.map((expectation) => (
          <li key={expectation.name}>
            <div class="aside">
              <span>
                {columnTitle(expectation.name)}
                <small>expectation not met</small>
              </span>
              <b>{format.count(expectation.failed)}</b>
            </div>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Tables({ status }: { status: Status }) {
  const format = useStore((s) => s.format);
  return (
    <Card id="tables" title="Tables" span="c3-2 c2-2">
      <div class="scroll" tabIndex={0} role="region" aria-label="Tables, table">
        <table>
          <thead>
            <tr>
              <th scope="col">Table</th>
              <th scope="col" class="number">
                Version
              </th>
              <th scope="col" class="number">
                Files
              </th>
              <th scope="col" class="number">
                Size
              </th>
              <th scope="col" class="number">
                Rows
              </th>
            </tr>
          </thead>
          <tbody>
            {status.tables.map((table) => (
              <tr key={table.name} class="opens" onClick={() => store.open({ kind: "history", table: table.name })}>
                <th scope="row">
                  <Opener onOpen={() => store.open({ kind: "history", table: table.name })}>{table.name}</Opener>
                </th>
                <td class="number">{format.count(table.version)}</td>
                <td class="number">{format.count(table.files)}</td>
                <td class="number">{format.bytes(table.bytes)}</td>
                <td class="number">{format.count(table.rows)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function Partitions({ status }: { status: Status }) {
  const format = useStore((s) => s.format);
  const most = Math.max(1, ...status.partitions.map((partition) => approximate(partition.lag) || 0));
  const source = status.partitions[0]?.source;
  return (
    <Card id="partitions" title="Lag per partition" span="c3-1 c2-2" note={source && <code title={source}>{source.split("/").at(-1)}</code>}>
      <div class="scroll" tabIndex={0} role="region" aria-label="Partitions, table">
        <table>
          <thead>
            <tr>
              <th scope="col">Partition</th>
              <th scope="col" class="number">
                Committed
              </th>
              <th scope="col" class="number">
                Lag
              </th>
            </tr>
          </thead>
          <tbody>
            {status.partitions.map((partition) => (
              <tr key={`${partition.source}/${partition.partition}`}>
                <th scope="row">{partition.partition}</th>
                <td class="number">{format.count(partition.committed_offset)}</td>
                <td class="number">
                  <span class="lag">
                    {partition.lag !== null && (
                      <span class="lag-bar" aria-hidden="true">
                        <span style={{ transform: `scaleX(${(approximate(partition.lag) || 0) / most})` }} />
                      </span>
                    )}
                    {format.count(partition.lag)}
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}
