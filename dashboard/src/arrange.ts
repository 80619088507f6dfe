// From a result set to what a chart draws, and from a list of panels to rows of a grid. Pure.
import type { Column, Panel, ResultSet, Value } from "./contract";
import { approximate, isIdentifier, isNumeric } from "./format";

export function columnIndex(columns: readonly Column[], name: string | null | undefined): number {
  return name ? columns.findIndex((column) => column.name === name) : -1;
}

export interface Roles {
  label: number;
  value: number;
  details: number[]; // what is worth a word beside them; identifiers are not
}

/** Which column names a row and which measures it: as the panel says, else the first text and the last number. */
export function roles(panel: Pick<Panel, "label" | "value">, columns: readonly Column[]): Roles {
  let value = columnIndex(columns, panel.value);
  if (value < 0) value = columns.findLastIndex((column) => isNumeric(column));
  let label = columnIndex(columns, panel.label);
  if (label < 0) label = columns.findIndex((column, i) => i !== value && !isNumeric(column));
  if (label < 0) label = columns.findIndex((_, i) => i !== value);
  return { label, value, details: columns.map((_, i) => i).filter((i) => i !== label && i !== value && !isIdentifier((columns[i] as Column).name)) };
}

/** Lengths of bars, 0..1 of the longest; negative and missing values draw none. */
export function lengths(rows: readonly Value[][], value: number): number[] {
  const numbers = rows.map((row) => approximate(row[value]));
  const longest = Math.max(0, ...numbers.filter(Number.isFinite));
  return numbers.map((n) => (longest > 0 && n > 0 ? n / longest : 0));
}

export function shares(rows: readonly Value[][], value: number): number[] {
  const numbers = rows.map((row) => Math.max(0, approximate(row[value]) || 0));
  const total = numbers.reduce((a, b) => a + b, 0);
  return numbers.map((n) => (total > 0 ? n / total : 0));
}

/** A colour per label that stays when ranks change: the label's place in the alphabet. */
export function steadyOrder(labels: readonly string[]): number[] {
  const sorted = [...labels].sort();
  return labels.map((label) => sorted.indexOf(label));
}

export interface Series {
  name: string;
  points: (number | null)[];
}

export interface Timeline {
  times: number[]; // seconds since 1970, ascending
  series: Series[];
}

export function seconds(value: Value | undefined): number {
  if (typeof value === "number") return value > 1e11 ? value / 1000 : value;
  if (typeof value !== "string") return Number.NaN;
  const text = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/.test(value) ? `${value.replace(" ", "T")}Z` : value;
  return Date.parse(text) / 1000;
}

/** Rows of (time, value[, series]) in any order → one line per series over shared times. */
export function timeline(panel: Pick<Panel, "time" | "value" | "series">, result: ResultSet): Timeline {
  const { columns, rows } = result;
  let time = columnIndex(columns, panel.time);
  if (time < 0) time = columns.findIndex((column) => /^(?:TIMESTAMP|DATE)/i.test(column.type));
  if (time < 0) time = 0;
  const split = columnIndex(columns, panel.series);
  let values = [columnIndex(columns, panel.value)].filter((i) => i >= 0);
  if (values.length === 0) values = columns.map((_, i) => i).filter((i) => i !== time && i !== split && isNumeric(columns[i] as Column));

  const points = rows.map((row) => ({ at: seconds(row[time]), row })).filter((point) => Number.isFinite(point.at));
  const times = [...new Set(points.map((point) => point.at))].sort((a, b) => a - b);
  const place = new Map(times.map((at, i) => [at, i]));
  const series = new Map<string, (number | null)[]>();
  for (const { at, row } of points) {
    for (const value of values) {
      const name = split >= 0 ? String(row[split] ?? "–") : (columns[value] as Column).name;
      let line = series.get(name);
      if (!line) series.set(name, (line = times.map(() => null)));
      const number = approximate(row[value]);
      line[place.get(at) as number] = Number.isFinite(number) ? number : null;
    }
  }
  const lines = [...series].map(([name, points]) => ({ name, points }));
  if (split >= 0) lines.sort((a, b) => (a.name < b.name ? -1 : 1)); // a series keeps its colour whatever row comes first
  return { times, series: lines };
}

/**
 * Column spans that fill every row of a grid: a wide panel takes two columns, tiles the whole row, and the last panel
 * of a row that would leave a hole is stretched.
 */
export function spans(panels: readonly Pick<Panel, "kind" | "wide">[], columns: number): number[] {
  const result: number[] = [];
  let used = 0;
  const closeRow = (): void => {
    if (used > 0 && used < columns) result[result.length - 1] = (result[result.length - 1] as number) + columns - used;
    used = 0;
  };
  for (const panel of panels) {
    const wanted = panel.kind === "tiles" ? columns : Math.min(panel.wide ? 2 : 1, columns);
    if (used + wanted > columns) closeRow();
    result.push(wanted);
    used += wanted;
    if (used === columns) used = 0;
  }
  closeRow();
  return result;
}

/**
 * The keys of a view that a row of a panel carries, and the filters that narrowed it: what provenance is asked with.
 * A column that the panel's SQL renamed is recognised where it is called after a filter ("country" for `pays`).
 */
export function whereOf(
  keys: readonly string[],
  columns: readonly Column[],
  row: readonly Value[],
  filters: readonly { id: string; column: string; value: string }[],
): [string, Value][] {
  const where = new Map<string, Value>();
  for (const { column, value } of filters) if (value && keys.includes(column)) where.set(column, value);
  const renamed = new Map(filters.map(({ id, column }) => [id, column]));
  columns.forEach((column, i) => {
    const value = row[i];
    const key = keys.includes(column.name) ? column.name : renamed.get(column.name);
    if (key !== undefined && keys.includes(key) && value !== undefined) where.set(key, value);
  });
  return [...where];
}
