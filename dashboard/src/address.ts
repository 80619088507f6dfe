// What the address keeps: the filters as ?id=value and the section as #name. A copied address shows the same page.
import type { Filter } from "./contract";

export type Section = "business" | "pipeline";
export type FilterValues = Readonly<Record<string, string>>;

/** Only the filters the page knows; an empty value is no filter. */
export function readFilters(search: string, known: readonly Pick<Filter, "id">[]): FilterValues {
  const params = new URLSearchParams(search);
  const values: Record<string, string> = {};
  for (const { id } of known) {
    const value = params.get(id);
    if (value) values[id] = value;
  }
  return values;
}

/** The query string with the filters as given; parameters that are no filter stay. */
export function writeFilters(search: string, known: readonly Pick<Filter, "id">[], values: FilterValues): string {
  const params = new URLSearchParams(search);
  for (const { id } of known) {
    const value = values[id];
    if (value) params.set(id, value);
    else params.delete(id);
  }
  const text = params.toString();
  return text ? `?${text}` : "";
}

export function readSection(hash: string): Section {
  return hash === "#pipeline" ? "pipeline" : "business";
}

/** The query of one panel: the filters it takes, in the page's order. */
export function panelQuery(panel: { filters?: string[] }, values: FilterValues): string {
  const params = new URLSearchParams();
  for (const id of panel.filters ?? []) {
    const value = values[id];
    if (value) params.set(id, value);
  }
  const text = params.toString();
  return text ? `?${text}` : "";
}
