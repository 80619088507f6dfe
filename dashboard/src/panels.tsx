// A panel of the pipeline file, drawn by its kind. Nothing here knows what the rows are about.
import type { ComponentChildren, JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { ApiError, explain } from "./api";
import { columnIndex, lengths, roles, seconds, shares, steadyKeys, steadyOrder, timeline } from "./arrange";
import { Chart, describe, seriesCount } from "./chart";
import { followsBronze, viewKey, type Column, type Panel, type ResultSet, type Value } from "./contract";
import { columnTitle, columnType, isNumeric, missing, type Formatter } from "./format";
import { store, useStore, type PanelState } from "./store";
import { useTheme } from "./theme";

interface Drawn {
  panel: Panel;
  result: ResultSet;
  format: Formatter;
  open: ((row: Value[]) => void) | null; // null where no view stands behind the rows
}

const isMoney = (panel: Panel, column: Column | undefined): boolean =>
  column !== undefined && (panel.money ?? []).includes(column.name);

function text(drawn: Pick<Drawn, "panel" | "format">, column: Column | undefined, value: Value | undefined): string {
  if (!column) return missing;
  return drawn.format.value(value, column, isMoney(drawn.panel, column));
}

// ---- the frame around every kind --------------------------------------------------------------------------------

export function PanelCard({ panel, className }: { panel: Panel; className: string }) {
  const state = useStore((s) => s.panels[panel.id]);
  const format = useStore((s) => s.format);
  const [asTable, setAsTable] = useState(false);
  const drawable = panel.kind === "timeseries" || panel.kind === "bars" || panel.kind === "share" || (panel.kind === "ranking" && (state?.result?.rows.length ?? 0) > mostLines);
  const heading = `panel-${panel.id}`;
  const version = panel.view && state?.result?.versions ? versionOf(panel.view, state.result.versions) : null;
  return (
    <section class={`card panel kind-${panel.kind} ${className}`} aria-labelledby={heading} aria-busy={!state?.result} data-panel={panel.id} data-version={version ?? undefined}>
      <header class="card-head">
        <h2 id={heading}>{panel.title}</h2>
        <div class="card-tools">
          {drawable && state?.result && state.result.rows.length > 0 && (
            <button type="button" class="quiet" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
              Table<span class="sr"> of {panel.title}</span>
            </button>
          )}
          {version !== null && (
            <span class="version" title={`${panel.view} at version ${version}`}>
              <span class="sr">version </span>
              <span aria-hidden="true">v</span>
              {version}
            </span>
          )}
        </div>
      </header>
      <PanelBody panel={panel} state={state} format={format} asTable={asTable} />
    </section>
  );
}

function versionOf(view: string, versions: Record<string, number>): number | null {
  const found = Object.entries(versions).find(([name]) => viewKey(name) === viewKey(view));
  return found ? found[1] : null;
}

function PanelBody({ panel, state, format, asTable }: { panel: Panel; state: PanelState | undefined; format: Formatter; asTable: boolean }) {
  const views = useStore((s) => s.views);
  if (!state) return null;
  if (!state.result) return state.error ? <PanelError panel={panel} error={state.error} /> : <Skeleton kind={panel.kind} />;
  const result = state.result;
  const open = followsBronze(panel, views) ? null : (row: Value[]) => store.open({ kind: "provenance", panel, columns: result.columns, row });
  const drawn: Drawn = { panel, result, format, open };
  return (
    <>
      {state.error instanceof ApiError && <PanelError panel={panel} error={state.error} brief />}
      {result.rows.length === 0 ? <Empty /> : asTable ? <DataTable {...drawn} /> : <Kind {...drawn} />}
      {result.truncated && <p class="note">Only the first {format.count(result.rows.length)} rows are shown.</p>}
    </>
  );
}

function Kind(drawn: Drawn): JSX.Element {
  switch (drawn.panel.kind) {
    case "tiles":
      return <Tiles {...drawn} />;
    case "ranking":
      return <Ranking {...drawn} />;
    case "bars":
      return <Bars {...drawn} />;
    case "share":
      return <Share {...drawn} />;
    case "timeseries":
      return <TimeSeries {...drawn} />;
    default:
      return <DataTable {...drawn} />;
  }
}

export function Empty({ children }: { children?: ComponentChildren }) {
  const filtered = useStore((s) => Object.values(s.filters).some(Boolean));
  return (
    <div class="empty">
      <p>{children ?? (filtered ? "Nothing matches these filters." : "No rows yet. They appear as soon as events arrive.")}</p>
      {!children && filtered && (
        <button type="button" class="button" onClick={() => store.clearFilters()}>
          Clear filters
        </button>
      )}
    </div>
  );
}

function PanelError({ panel, error, brief = false }: { panel: Panel; error: unknown; brief?: boolean }) {
  const { what, why, fix } = explain(error);
  return (
    <div class={brief ? "error error-brief" : "error"}>
      <p>
        <strong>{brief ? "Not up to date. " : ""}{what}</strong>
        {why && !brief && <span> {why}</span>}
        {fix && !brief && <span class="fix"> {fix}</span>}
      </p>
      <button type="button" class="button" onClick={() => store.retry(panel.id)}>
        Try again<span class="sr">: {panel.title}</span>
      </button>
    </div>
  );
}

export function Skeleton({ kind }: { kind: Panel["kind"] }) {
  const lines = kind === "tiles" ? 4 : kind === "timeseries" || kind === "bars" ? 1 : 5;
  return (
    <div class={`skeleton skeleton-${kind}`} aria-hidden="true">
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} />
      ))}
    </div>
  );
}

// ---- kinds ------------------------------------------------------------------------------------------------------

function Tiles({ panel, result, format, open }: Drawn) {
  const row = result.rows[0] as Value[];
  return (
    <ul class="tiles">
      {result.columns.map((column, i) => {
        const value = text({ panel, format }, column, row[i]);
        const { kind } = columnType(column.type);
        const inside = (
          <>
            <span class="tile-label">{columnTitle(column.name)}</span>
            <span class={`tile-value ${kind === "timestamp" || kind === "text" || kind === "date" ? "small" : ""}`}>{value}</span>
          </>
        );
        return (
          <li key={column.name} data-column={column.name} class={value.length > 13 ? "long" : undefined}>
            {open ? (
              <button type="button" class="tile" aria-haspopup="dialog" onClick={() => open(row)}>
                {inside}
              </button>
            ) : (
              <div class="tile">{inside}</div>
            )}
          </li>
        );
      })}
    </ul>
  );
}

/** Of a list; "Table" has all of them, where there is such a button. */
const mostLines = 12;

function More({ of, format }: { of: number; format: Formatter }) {
  return of > mostLines ? <p class="note">The first {mostLines} of {format.count(of)} are shown.</p> : null;
}

function Ranking({ panel, result, format, open }: Drawn) {
  const { columns, rows } = result;
  const { label, value, details } = roles(panel, columns);
  const scale = lengths(rows, value);
  const shown = details.slice(0, 3);
  const keys = steadyKeys(rows, label);
  return (
    <>
      <ol class="ranking">
        {rows.slice(0, mostLines).map((row, i) => {
          const inside = (
            <>
              <span class="rank" aria-hidden="true">
                {i + 1}
              </span>
              <span class="rank-name">
                <span class="rank-label">{text({ panel, format }, columns[label], row[label])}</span>
                {shown.length > 0 && (
                  <span class="rank-detail">
                    {shown.map((d) => (
                      <span key={d}>{detail({ panel, format }, columns[d] as Column, row[d])}</span>
                    ))}
                  </span>
                )}
              </span>
              <span class="rank-value">{text({ panel, format }, columns[value], row[value])}</span>
              <span class="bar" aria-hidden="true">
                <span style={{ transform: `scaleX(${scale[i]})` }} />
              </span>
            </>
          );
          return (
            <li key={keys[i]}>
              {open ? (
                <button type="button" class="rank-row" aria-haspopup="dialog" onClick={() => open(row)}>
                  {inside}
                </button>
              ) : (
                <div class="rank-row">{inside}</div>
              )}
            </li>
          );
        })}
      </ol>
      <More of={rows.length} format={format} />
    </>
  );
}

/** A number needs its column's name beside it, a word does not. */
function detail(drawn: Pick<Drawn, "panel" | "format">, column: Column, value: Value | undefined): string {
  const shown = text(drawn, column, value);
  const { kind } = columnType(column.type);
  if (kind === "text" || kind === "date" || kind === "timestamp") return shown;
  const plural = column.name.replace(/_+/g, " ");
  const name = Number(value) === 1 ? plural.replace(/s$/, "") : plural;
  return kind === "boolean" ? `${name}: ${shown.toLowerCase()}` : `${shown} ${name}`;
}

/** Columns as long as their numbers have room beside each other, then bars that lie. */
function Bars(drawn: Drawn) {
  const { panel, result, format, open } = drawn;
  const { columns, rows } = result;
  const { label, value } = roles(panel, columns);
  const scale = lengths(rows, value);
  const keys = steadyKeys(rows, label);
  if (rows.length > (panel.wide ? 12 : 6)) return <Ranking {...drawn} />;
  return (
    <ul class={rows.length > 6 ? "columns columns-many" : "columns"}>
      {rows.map((row, i) => {
        const inside = (
          <>
            <span class="column-value">{format.compact(Number(row[value]), isMoney(panel, columns[value]))}</span>
            <span class="column-bar" aria-hidden="true">
              <span style={{ transform: `scaleY(${scale[i]})` }} />
            </span>
            <span class="column-label">{text({ panel, format }, columns[label], row[label])}</span>
          </>
        );
        return (
          <li key={keys[i]} title={`${text({ panel, format }, columns[label], row[label])}: ${text({ panel, format }, columns[value], row[value])}`}>
            {open ? (
              <button type="button" class="column" aria-haspopup="dialog" onClick={() => open(row)}>
                {inside}
              </button>
            ) : (
              <div class="column">{inside}</div>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function Share({ panel, result, format, open }: Drawn) {
  const { columns, rows } = result;
  const { label, value, details } = roles(panel, columns);
  const parts = shares(rows, value);
  const keys = steadyKeys(rows, label);
  const colour = steadyOrder(rows.map((row) => String(row[label]))).map((place) => `fill-${(place % seriesCount) + 1}`);
  return (
    <div class="share">
      <div class="share-bar" aria-hidden="true">
        {rows.map((_, i) => (
          <span key={keys[i]} class={colour[i]} style={{ flexGrow: String(parts[i]) }} />
        ))}
      </div>
      <ul class="share-list">
        {rows.slice(0, mostLines).map((row, i) => {
          const inside = (
            <>
              <span class={`swatch ${colour[i]}`} aria-hidden="true" />
              <span class="share-name">
                <span>{text({ panel, format }, columns[label], row[label])}</span>
                {details.length > 0 && (
                  <span class="rank-detail">
                    {details.slice(0, 2).map((d) => (
                      <span key={d}>{detail({ panel, format }, columns[d] as Column, row[d])}</span>
                    ))}
                  </span>
                )}
              </span>
              <span class="share-numbers">
                <span class="share-part">{format.percent(parts[i] as number)}</span>
                <span class="share-value">{text({ panel, format }, columns[value], row[value])}</span>
              </span>
            </>
          );
          return (
            <li key={keys[i]}>
              {open ? (
                <button type="button" class="share-row" aria-haspopup="dialog" onClick={() => open(row)}>
                  {inside}
                </button>
              ) : (
                <div class="share-row">{inside}</div>
              )}
            </li>
          );
        })}
      </ul>
      <More of={rows.length} format={format} />
    </div>
  );
}

function TimeSeries({ panel, result, format }: Drawn) {
  const theme = useTheme();
  const data = useMemo(() => timeline(panel, result), [panel, result]);
  const column = result.columns.find((c) => c.name === (panel.value ?? data.series[0]?.name));
  const money = isMoney(panel, column);
  const show = (value: number): string => format.value(value, { name: "", type: "DOUBLE" }, money);
  const days = data.times.length > 1 && data.times.every((at) => at % 86400 === 0);
  const when = (at: number): string => {
    const iso = new Date(at * 1000).toISOString();
    return format.value(iso, { name: "", type: days ? "DATE" : "TIMESTAMP" });
  };
  if (data.times.length === 0) return <Empty />;
  return (
    <div class="timeseries">
      <Chart data={data} format={format} money={money} zone={format.timeZone} label={describe(panel.title, data, show, when)} theme={theme} height={252} />
    </div>
  );
}

/** Rows of any result set. The first cell of a row is its button where something can be opened. */
export function DataTable({ panel, result, format, open }: Drawn) {
  const { columns, rows } = result;
  const measured = panel.kind === "table" ? columnIndex(columns, panel.value) : -1;
  const scale = measured < 0 ? [] : lengths(rows, measured);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${panel.title}, table`}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col" class={isNumeric(column) ? "number" : undefined}>
                {columnTitle(column.name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, r) => (
            <tr key={r} class={open ? "opens" : undefined} onClick={open ? () => open(row) : undefined}>
              {columns.map((column, i) => {
                const cell = <Cell panel={panel} format={format} column={column} value={row[i]} />;
                const shown =
                  i === measured ? (
                    <span class="measured">
                      <span class="cell-bar" aria-hidden="true">
                        <span style={{ transform: `scaleX(${scale[r]})` }} />
                      </span>
                      <span>{cell}</span>
                    </span>
                  ) : (
                    cell
                  );
                const Tag = i === 0 ? "th" : "td";
                return (
                  <Tag key={column.name} scope={i === 0 ? "row" : undefined} class={isNumeric(column) ? "number" : undefined} title={longText(row[i])}>
                    {i === 0 && open ? (
                      <button
                        type="button"
                        class="link"
                        aria-haspopup="dialog"
                        onClick={(event) => {
                          event.stopPropagation();
                          open(row);
                        }}
                      >
                        {shown}
                      </button>
                    ) : (
                      shown
                    )}
                  </Tag>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What a narrow cell may cut. */
function longText(value: Value | undefined): string | undefined {
  return typeof value === "string" && value.length > 40 ? value.slice(0, 2000) : undefined;
}

function Cell({ panel, format, column, value }: { panel: Panel; format: Formatter; column: Column; value: Value | undefined }) {
  const shown = text({ panel, format }, column, value);
  if (columnType(column.type).kind === "timestamp" && value !== null && value !== undefined) {
    const at = seconds(value);
    return Number.isFinite(at) ? <time dateTime={new Date(at * 1000).toISOString()}>{shown}</time> : <>{shown}</>;
  }
  return <>{shown}</>;
}
