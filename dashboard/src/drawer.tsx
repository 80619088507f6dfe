// What opens beside the page: the provenance of a number, refused and late rows, the history of a table, a view's SQL.
// A modal <dialog>: the browser keeps the rest of the page inert; Tab stays inside, Esc closes, focus goes back.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { explain, get } from "./api";
import { whereOf } from "./arrange";
import { viewKey, type Commit, type Panel, type Provenance, type Rejects } from "./contract";
import { columnTitle, offsetSpan, type Formatter } from "./format";
import { DataTable, Empty } from "./panels";
import { store, useStore, type Detail } from "./store";

export function Drawer() {
  const detail = useStore((s) => s.detail);
  return detail ? <OpenDrawer key={JSON.stringify(detail)} detail={detail} /> : null;
}

function OpenDrawer({ detail }: { detail: Detail }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    if (!element) return;
    const before = document.activeElement;
    element.showModal();
    return () => {
      element.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Tab" || !dialog.current) return;
    const stops = [...dialog.current.querySelectorAll<HTMLElement>("button, a[href], [tabindex='0'], select")].filter(
      (element) => element.offsetParent !== null,
    );
    const edge = event.shiftKey ? stops[0] : stops.at(-1);
    if (document.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? stops.at(-1) : stops[0])?.focus();
  };

  return (
    <dialog
      ref={dialog}
      class="drawer"
      aria-labelledby="drawer-title"
      onKeyDown={onKeyDown}
      onCancel={(event) => {
        event.preventDefault();
        store.close();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) store.close();
      }}
    >
      <div class="drawer-inside">
        <Content detail={detail} />
      </div>
    </dialog>
  );
}

function Frame({ title, lead, children }: { title: string; lead?: ComponentChildren; children: ComponentChildren }) {
  return (
    <>
      <header class="drawer-head">
        <div>
          <h2 id="drawer-title">{title}</h2>
          {lead && <p class="lead">{lead}</p>}
        </div>
        <button type="button" class="icon" aria-label="Close" onClick={() => store.close()}>
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <path d="M5 5l10 10M15 5L5 15" />
          </svg>
        </button>
      </header>
      <div class="drawer-body">{children}</div>
    </>
  );
}

function Content({ detail }: { detail: Detail }) {
  switch (detail.kind) {
    case "provenance":
      return <ProvenanceDrawer detail={detail} />;
    case "rejects":
      return <RejectsDrawer which={detail.which} />;
    case "history":
      return <HistoryDrawer table={detail.table} />;
    case "view":
      return <ViewDrawer view={detail.view} />;
  }
}

// ---- a document that is loaded once -------------------------------------------------------------------------------

type Loaded<T> = { state: "loading" } | { state: "error"; error: unknown } | { state: "ready"; value: T };

function useDocument<T>(path: string | null): [Loaded<T>, () => void] {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: "loading" });
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    setLoaded({ state: "loading" });
    get<T>(path, abort.signal).then(
      (value) => setLoaded({ state: "ready", value }),
      (error: unknown) => {
        if (!abort.signal.aborted) setLoaded({ state: "error", error });
      },
    );
    return () => abort.abort();
  }, [path, round]);
  return [loaded, () => setRound(round + 1)];
}

function Waiting<T>({ loaded, again, children }: { loaded: Loaded<T>; again: () => void; children: (value: T) => ComponentChildren }) {
  if (loaded.state === "ready") return <>{children(loaded.value)}</>;
  if (loaded.state === "loading") {
    return (
      <div class="skeleton" role="status">
        <span class="sr">Loading</span>
        {Array.from({ length: 6 }, (_, i) => (
          <span key={i} aria-hidden="true" />
        ))}
      </div>
    );
  }
  const { what, why, fix } = explain(loaded.error);
  return (
    <div class="error" role="alert">
      <p>
        <strong>{what}</strong> {why} {fix}
      </p>
      <button type="button" class="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}

// ---- provenance -----------------------------------------------------------------------------------------------------

function ProvenanceDrawer({ detail }: { detail: Extract<Detail, { kind: "provenance" }> }) {
  const { panel, columns, row } = detail;
  const format = useStore((s) => s.format);
  const views = useStore((s) => s.views);
  const filters = useStore((s) => s.filters);
  const page = useStore((s) => s.page);
  const view = views.find((v) => viewKey(v.name) === viewKey(panel.view ?? ""));
  const taken = (page?.filters ?? []).map((filter) => ({
    id: filter.id,
    column: filter.column,
    value: (panel.filters ?? []).includes(filter.id) ? (filters[filter.id] ?? "") : "",
  }));
  const active = taken.filter(({ value }) => value !== "");
  const where = view ? whereOf(view.keys, columns, panel.kind === "tiles" ? [] : row, taken) : [];
  const narrowed = panel.kind === "tiles" || where.length > active.length;

  // Asked once, for the moment of the click: the answer names the versions it speaks of.
  const [path] = useState(() => {
    const params = new URLSearchParams({ view: view?.name ?? viewKey(panel.view ?? "") });
    for (const [column, value] of where) {
      if (value === null) params.set(`null.${column}`, "1");
      else params.set(`where.${column}`, String(value));
    }
    return `/api/v1/provenance?${params}`;
  });
  const [loaded, again] = useDocument<Provenance>(path);

  return (
    <Frame
      title="Where this number comes from"
      lead={
        <>
          {panel.title}
          {active.length > 0 && <>, filtered by {active.map(({ column, value }) => `${columnTitle(column)} ${value}`).join(", ")}</>}
        </>
      }
    >
      <dl class="facts">
        {columns.map((column, i) => (
          <div key={column.name}>
            <dt>{columnTitle(column.name)}</dt>
            <dd>{format.value(row[i], column, (panel.money ?? []).includes(column.name))}</dd>
          </div>
        ))}
      </dl>
      <Waiting loaded={loaded} again={again}>
        {(document) => <Chain document={document} format={format} narrowed={narrowed} />}
      </Waiting>
    </Frame>
  );
}

function Chain({ document, format, narrowed }: { document: Provenance; format: Formatter; narrowed: boolean }) {
  const { files, ranges } = document;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return (
    <ol class="chain">
      <li>
        <h3>
          View <code>{document.view}</code>
        </h3>
        <p>
          Published as version <b>{format.count(document.view_version)}</b>
        </p>
      </li>
      <li>
        <h3>
          Table <code>{document.bronze_table}</code>
        </h3>
        <p>
          Version <b>{format.count(document.bronze_version)}</b>
          {document.bronze_commit_time && <>, committed {format.instant(document.bronze_commit_time)}</>}. <b>{format.count(document.rows_total)}</b>{" "}
          {narrowed ? "events made this number." : "events made the view: this row groups it by something that is no key of it."}
        </p>
      </li>
      <li>
        <h3>
          {format.count(document.files_total)} Parquet {document.files_total === 1 ? "file" : "files"}
        </h3>
        <p>
          {files.length < document.files_total && <>The {format.count(files.length)} shown: </>}
          {format.bytes(bytes)}
        </p>
        <div class="scroll short" tabIndex={0} role="region" aria-label="Files">
          <table>
            <thead>
              <tr>
                <th scope="col">File</th>
                <th scope="col" class="number">
                  Rows
                </th>
                <th scope="col" class="number">
                  Size
                </th>
              </tr>
            </thead>
            <tbody>
              {files.map((file) => (
                <tr key={file.path}>
                  <th scope="row">
                    <code class="path" title={file.path}>
                      {shortPath(file.path)}
                    </code>
                  </th>
                  <td class="number">{format.count(file.rows)}</td>
                  <td class="number">{format.bytes(file.bytes)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </li>
      <li>
        <h3>Offsets at the source</h3>
        <div class="scroll" tabIndex={0} role="region" aria-label="Offset ranges">
          <table>
            <thead>
              <tr>
                <th scope="col">Partition</th>
                <th scope="col" class="number">
                  First
                </th>
                <th scope="col" class="number">
                  Last
                </th>
                <th scope="col" class="number">
                  Events
                </th>
              </tr>
            </thead>
            <tbody>
              {ranges.map((range) => (
                <tr key={`${range.source}/${range.partition}/${range.first_offset}`}>
                  <th scope="row">
                    {range.partition}
                    <span class="source" title={range.source}>
                      {range.source}
                    </span>
                  </th>
                  <td class="number">{format.count(range.first_offset)}</td>
                  <td class="number">{format.count(range.last_offset)}</td>
                  <td class="number" title={`of ${format.count(offsetSpan(range.first_offset, range.last_offset))} offsets`}>
                    {format.count(range.rows)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </li>
    </ol>
  );
}

/** The partition folder and the end of the name, which differs. */
function shortPath(path: string): string {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  return `${path.slice(0, slash + 1)}${name.length > 24 ? `…${name.slice(-20)}` : name}`;
}

// ---- refused and late rows ----------------------------------------------------------------------------------------

function RejectsDrawer({ which }: { which: "quarantine" | "late" }) {
  const [reason, setReason] = useState<string | null>(null);
  const [counts, setCounts] = useState<Rejects["counts"]>([]);
  const format = useStore((s) => s.format);
  const params = new URLSearchParams({ limit: "100" });
  if (reason) params.set("reason", reason);
  const [loaded, again] = useDocument<Rejects>(`/api/v1/${which}?${params}`);
  // The counts of the first answer stay while rows of one reason are looked at.
  useEffect(() => {
    if (loaded.state === "ready" && reason === null) setCounts(loaded.value.counts ?? []);
  }, [loaded]);
  const title = which === "quarantine" ? "Quarantined events" : "Late events";
  const panel: Panel = { id: which, title, kind: "table", view: null };
  return (
    <Frame
      title={title}
      lead={
        which === "quarantine"
          ? "Events that are not what the pipeline file says an event is, with the reason. None was dropped."
          : "Events that came later than the pipeline file allows."
      }
    >
      {counts.length > 0 && (
        <ul class="reasons" aria-label="Reasons">
          {counts.map((count) => (
            <li key={count.reason}>
              <button type="button" aria-pressed={reason === count.reason} onClick={() => setReason(reason === count.reason ? null : count.reason)}>
                <span>{count.reason}</span>
                <b>{format.count(count.rows)}</b>
              </button>
            </li>
          ))}
        </ul>
      )}
      <Waiting loaded={loaded} again={again}>
        {(rejects) =>
          rejects.rows.length === 0 ? <Empty>None. Every event was taken.</Empty> : <DataTable panel={panel} result={rejects} format={format} open={null} />
        }
      </Waiting>
    </Frame>
  );
}

// ---- the history of a table, and a view's definition ----------------------------------------------------------------

function HistoryDrawer({ table }: { table: string }) {
  const format = useStore((s) => s.format);
  const [loaded, again] = useDocument<Commit[]>(`/api/v1/history?${new URLSearchParams({ table, limit: "50" })}`);
  return (
    <Frame title={`History of ${table}`} lead="Its last commits, newest first.">
      <Waiting loaded={loaded} again={again}>
        {(commits) => (
          <div class="scroll" tabIndex={0} role="region" aria-label="Commits">
            <table>
              <thead>
                <tr>
                  <th scope="col" class="number">
                    Version
                  </th>
                  <th scope="col">When</th>
                  <th scope="col">Operation</th>
                  <th scope="col" class="number">
                    Rows
                  </th>
                  <th scope="col" class="number">
                    Files
                  </th>
                </tr>
              </thead>
              <tbody>
                {commits.map((commit) => (
                  <tr key={commit.version}>
                    <th scope="row" class="number">
                      {format.count(commit.version)}
                    </th>
                    <td>{format.instant(commit.timestamp)}</td>
                    <td>{commit.operation}</td>
                    <td class="number">{format.count(commit.rows)}</td>
                    <td class="number">{format.count(commit.files)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Waiting>
    </Frame>
  );
}

function ViewDrawer({ view }: { view: string }) {
  const definition = useStore((s) => s.views).find((v) => viewKey(v.name) === viewKey(view));
  return (
    <Frame title={`View ${viewKey(view)}`} lead={definition ? `Published as ${definition.table}` : undefined}>
      {definition ? (
        <>
          <dl class="facts">
            <div>
              <dt>Keys</dt>
              <dd>{definition.keys.join(", ") || "none"}</dd>
            </div>
            <div>
              <dt>Partitioned by</dt>
              <dd>{definition.partition_by.join(", ") || "nothing"}</dd>
            </div>
          </dl>
          <h3>SQL</h3>
          <pre class="sql" tabIndex={0} role="region" aria-label="SQL">
            {definition.sql.trim()}
          </pre>
        </>
      ) : (
        <Empty>The server does not know this view.</Empty>
      )}
    </Frame>
  );
}
