// The documents of the HTTP API. Values arrive as JSON: a BIGINT beyond 2^53,
// a DECIMAL, a DATE or a TIMESTAMP is a string, so that nothing is rounded on the way.

export type Value = string | number | boolean | null;

export interface Column {
  name: string;
  type: string; // DuckDB's name: "DECIMAL(38,2)"
}

export interface ResultSet {
  columns: Column[];
  rows: Value[][];
  versions?: Record<string, number>;
  took_ms?: number;
  truncated?: boolean;
}

export type PanelKind = "tiles" | "ranking" | "table" | "bars" | "timeseries" | "share";

export interface Panel {
  id: string;
  title: string;
  kind: PanelKind;
  view: string | null;
  value?: string | null;
  label?: string | null;
  time?: string | null;
  series?: string | null;
  money?: string[];
  wide?: boolean;
  filters?: string[];
}

export interface Filter {
  id: string;
  title: string;
  column: string;
}

export interface Page {
  pipeline: string;
  title: string;
  locale: string;
  currency: string;
  timezone?: string; // of the timestamps in result sets; UTC when it is not said
  panels: Panel[];
  filters: Filter[];
}

export interface PartitionStatus {
  source: string;
  partition: number;
  committed_offset: number | string | null;
  end_offset: number | string | null;
  lag: number | string | null;
}

export interface TableStatus {
  name: string;
  version: number;
  files: number;
  bytes: number;
  small_files?: number;
  rows: number | string | null;
}

export interface MaintenanceStatus {
  compactions: number;
  removed_files: number;
  added_files: number;
  rewritten_bytes: number;
  vacuumed_files: number;
  vacuumed_bytes: number;
  cleaned_log_files: number;
  cpu_s: number;
  problems: { table: string; error: string }[];
}

export interface ViewStatus {
  name: string;
  state: string;
  bronze_version: number | null; // the one the view's table shows; null: nothing published yet
  published_version: number | null; // of the view's table
  lag_versions: number; // bronze versions that the view's table does not show
  freshness_ms: number | null;
  rows: number | string | null;
  evicted_partitions?: number; // of its state: on disk, not in memory
  publish_ms: number | null;
  apply_ms: number | null;
  error: string | null;
}

export interface Status {
  pipeline: string;
  version: string;
  uptime_s: number;
  source?: Record<string, unknown>;
  events: {
    total: number | string;
    this_run: number;
    per_second: number;
    rows: number | string;
    quarantined: number;
    late: number;
    diverted: number;
    queued_rows: number;
  };
  batch: { p50_ms: number | null; p99_ms: number | null; last_ms: number | null; count: number };
  watermark: string | null;
  freshness_ms: number | null;
  objectives?: { freshness_ms: number; file_size_bytes: number };
  maintenance?: MaintenanceStatus;
  partitions: PartitionStatus[];
  tables: TableStatus[];
  views: ViewStatus[];
  expectations: { name: string; failed: number }[];
  process: { rss_bytes: number; cpu_s: number };
}

export interface ViewDefinition {
  name: string;
  table: string;
  columns: (Column | string)[];
  keys: string[];
  sql: string;
  partition_by: string[];
}

export interface Rejects extends ResultSet {
  counts: { reason: string; rows: number }[];
}

export interface Commit {
  version: number;
  timestamp: string | number;
  operation: string;
  rows?: number | null;
  files?: number | null;
}

export interface Provenance {
  view: string;
  view_version: number;
  bronze_table: string;
  bronze_version: number;
  bronze_commit_time: string | null;
  files: { path: string; bytes: number; rows: number | null; partition: Record<string, Value> }[];
  files_total: number;
  ranges: {
    source: string;
    partition: number;
    first_offset: number | string;
    last_offset: number | string;
    rows: number | string;
  }[];
  rows_total: number | string;
}

/** A panel over the bronze table, or over SQL of its own, changes with every commit; one over a view when that is published. */
export function followsBronze(panel: Pick<Panel, "view">, views: readonly Pick<ViewDefinition, "name">[]): boolean {
  const { view } = panel;
  if (view === null) return true;
  return views.length > 0 ? !views.some(({ name }) => viewKey(name) === viewKey(view)) : /^bronze[./]/.test(view);
}

/** "silver.x", "silver/x" and "x" name the same view. */
export function viewKey(name: string): string {
  return name.slice(Math.max(name.lastIndexOf("."), name.lastIndexOf("/")) + 1);
}
