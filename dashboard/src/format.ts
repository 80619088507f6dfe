// Values as people read them. Pure: type name + value in, text out. Decimals and large integers stay strings all the
// way into Intl, which formats them digit by digit; a double never stands between.
import type { Column, Value } from "./contract";

export type Kind = "integer" | "decimal" | "double" | "boolean" | "date" | "timestamp" | "text";

export interface ColumnType {
  kind: Kind;
  scale: number;
}

export function columnType(name: string): ColumnType {
  const type = name.toUpperCase();
  const decimal = /^(?:DECIMAL|NUMERIC)\(\s*\d+\s*,\s*(\d+)\s*\)$/.exec(type);
  if (decimal) return { kind: "decimal", scale: Number(decimal[1]) };
  if (/^(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|INT\d*|LONG)$/.test(type)) return { kind: "integer", scale: 0 };
  if (/^(?:DOUBLE|FLOAT|REAL)$/.test(type)) return { kind: "double", scale: 2 };
  if (type === "BOOLEAN") return { kind: "boolean", scale: 0 };
  if (type === "DATE") return { kind: "date", scale: 0 };
  if (type.startsWith("TIMESTAMP")) return { kind: "timestamp", scale: 0 };
  return { kind: "text", scale: 0 };
}

/** A number that names something: it is not grouped, and is no measure. */
export function isIdentifier(name: string): boolean {
  return /(?:^|_)id$/i.test(name);
}

export function isNumeric(column: Column): boolean {
  const { kind } = columnType(column.type);
  return kind === "integer" || kind === "decimal" || kind === "double";
}

/** "total_depense" → "Total depense". */
export function columnTitle(name: string): string {
  const words = name.replace(/_+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** For lengths and axes only, never for a number that is shown. */
export function approximate(value: Value | undefined): number {
  if (typeof value === "number") return value;
  if (typeof value === "string" && value.trim() !== "") return Number(value);
  return Number.NaN;
}

const plainNumber = /^[+-]?\d+(?:\.\d+)?$/;

type Digits = Intl.StringNumericLiteral;

export const missing = "–";

export interface Formatter {
  locale: string;
  timeZone: string;
  /** One value of a column; money columns carry the currency. */
  value(value: Value | undefined, column: Column, money?: boolean): string;
  count(value: number | string | null | undefined): string;
  rate(value: number): string;
  compact(value: number, money?: boolean): string;
  percent(share: number): string;
  bytes(value: number): string;
  duration(ms: number | null | undefined): string;
  freshness(ms: number | null | undefined): string;
  date(value: string): string;
  time(value: string | number): string;
  instant(value: string | number): string;
}

function supported(locale: string): string {
  try {
    return Intl.NumberFormat.supportedLocalesOf(locale)[0] ?? "en";
  } catch {
    return "en";
  }
}

/** `timeZone` is that of the data; what happens on this page and on the server is told in the reader's own zone. */
export function formatter(wantedLocale: string, currency: string, timeZone = "UTC"): Formatter {
  const locale = supported(wantedLocale);
  const numbers = new Map<string, Intl.NumberFormat>();
  const number = (options: Intl.NumberFormatOptions): Intl.NumberFormat => {
    const key = JSON.stringify(options);
    let found = numbers.get(key);
    if (!found) numbers.set(key, (found = new Intl.NumberFormat(locale, options)));
    return found;
  };
  const moneyOptions: Intl.NumberFormatOptions = /^[A-Z]{3}$/.test(currency) ? { style: "currency", currency } : {};
  const dates = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" });
  const times = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
  const instants = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
  const dataInstants = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium", timeZone });

  const exact = (value: number | string, format: Intl.NumberFormat): string => {
    if (typeof value === "number") return format.format(value);
    return plainNumber.test(value) ? format.format(value as Digits) : value;
  };
  const when = (value: string | number, format: Intl.DateTimeFormat): string => {
    const date = new Date(value);
    return Number.isNaN(date.getTime()) ? String(value) : format.format(date);
  };

  const self: Formatter = {
    locale,
    timeZone,
    value(value, column, money = false) {
      if (value === null || value === undefined) return missing;
      const { kind, scale } = columnType(column.type);
      switch (kind) {
        case "integer":
        case "decimal":
        case "double": {
          if (typeof value === "boolean") return String(value);
          if (money) return exact(value, number(moneyOptions));
          if (kind === "integer") return exact(value, number({ maximumFractionDigits: 0, useGrouping: !isIdentifier(column.name) }));
          if (kind === "decimal") {
            const digits = Math.min(scale, 4); // an average carries six: four are enough to read
            return exact(value, number({ minimumFractionDigits: Math.min(digits, 2), maximumFractionDigits: digits }));
          }
          return exact(value, number({ maximumFractionDigits: 2 }));
        }
        case "boolean":
          return value === true || value === "true" ? "Yes" : "No";
        case "date":
          return when(String(value), dates);
        case "timestamp":
          return when(typeof value === "number" ? value : String(value), dataInstants);
        case "text":
          return String(value);
      }
    },
    count: (value) => (value === null || value === undefined ? missing : exact(value, number({ maximumFractionDigits: 0 }))),
    rate: (value) => number({ maximumFractionDigits: value < 10 ? 1 : 0 }).format(value),
    compact: (value, money = false) =>
      number({ ...(money ? moneyOptions : {}), notation: "compact", minimumFractionDigits: 0, maximumFractionDigits: 1 }).format(value),
    percent: (share) => number({ style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(share),
    bytes(value) {
      const units = ["B", "KB", "MB", "GB", "TB"];
      let size = value;
      let unit = 0;
      while (size >= 1000 && unit < units.length - 1) {
        size /= 1000;
        unit++;
      }
      const digits = unit === 0 || size >= 100 ? 0 : 1;
      return `${number({ maximumFractionDigits: digits }).format(size)}\u00a0${units[unit]}`;
    },
    duration(ms) {
      if (ms === null || ms === undefined || Number.isNaN(ms)) return missing;
      if (ms < 10) return `${number({ maximumFractionDigits: 1 }).format(ms)}\u00a0ms`;
      if (ms < 1000) return `${number({ maximumFractionDigits: 0 }).format(ms)}\u00a0ms`;
      const s = ms / 1000;
      if (s < 60) return `${number({ maximumFractionDigits: 1 }).format(s)}\u00a0s`;
      const minutes = Math.floor(s / 60);
      if (minutes < 60) return `${minutes}\u00a0min ${Math.floor(s % 60)}\u00a0s`;
      const hours = Math.floor(minutes / 60);
      if (hours < 48) return `${hours}\u00a0h ${minutes % 60}\u00a0min`;
      return `${Math.floor(hours / 24)}\u00a0d ${hours % 24}\u00a0h`;
    },
    /** Always in seconds below a minute: a changing unit reads as a jump. */
    freshness(ms) {
      if (ms === null || ms === undefined || Number.isNaN(ms)) return missing;
      const s = Math.max(ms, 0) / 1000;
      if (s >= 60) return self.duration(ms);
      return `${number({ minimumFractionDigits: s < 10 ? 1 : 0, maximumFractionDigits: s < 10 ? 1 : 0 }).format(s)}\u00a0s`;
    },
    date: (value) => when(value, dates),
    time: (value) => when(value, times),
    instant: (value) => when(value, instants),
  };
  return self;
}

/** Exact sum and difference of offsets, which may be beyond 2^53. */
export function offsetSpan(first: number | string, last: number | string): string {
  return (BigInt(last) - BigInt(first) + 1n).toString();
}
