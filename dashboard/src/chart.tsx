// A uPlot chart that follows its container's width, the theme, and its data; what it shows is said in words too.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { columnTitle, missing, type Formatter } from "./format";
import type { Timeline } from "./arrange";

export const seriesCount = 6;

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Narrow charts have a legend instead of a name at each line: there, lines differ by dash as well as by colour. */
const dashes: number[][] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2], [1, 2]];

export interface ChartProps {
  data: Timeline;
  format: Formatter;
  money?: boolean;
  show?: (value: number) => string;
  height?: number;
  label: string;
  theme: string;
  zone?: string; // of the time axis; the reader's own when it is not said
  atLeast?: number; // seconds the time axis spans, however few the points
}

export function Chart({ data, format, money = false, show, height = 230, label, theme, zone, atLeast = 0 }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const [named, setNamed] = useState(true);
  useLayoutEffect(() => {
    if (host.current) setNamed(namesFit(host.current, data));
  }, [data.series.length]);
  const names = data.series.map((series) => series.name).join("\n");
  const axisValue = show ?? ((value: number) => format.compact(value, money));
  const span = data.times.length > 1 ? (data.times.at(-1) as number) - (data.times[0] as number) : 0;
  const unit = span > 3 * 86400 ? "day" : span > 300 ? "minute" : "second";

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const text = token("--text-2");
    const grid = token("--grid");
    const font = `11px ${token("--font")}`;
    const fullValue = (value: number): string => (show ? show(value) : format.value(value, { name: "", type: "DOUBLE" }, money));
    const single = data.series.length === 1;
    const stamps = timeStamps(format.locale, unit, zone);
    const instance = new uPlot(
      {
        width: Math.max(element.clientWidth, 120),
        height,
        // Half of the last label of the time axis stands out to the right.
        padding: [10, named ? roomForNames(element, data) : unit === "second" ? 30 : 22, 0, 0],
        tzDate: (at) => (zone ? uPlot.tzDate(new Date(at * 1000), zone) : new Date(at * 1000)),
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: false, y: false },
          points: { size: 8 },
        },
        scales: {
          x: { time: true, range: (_u, min, max) => [Math.min(min, max - atLeast), max] },
          y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
        axes: [
          {
            stroke: text,
            font,
            size: 28,
            gap: 6,
            space: unit === "second" ? 90 : 70,
            grid: { show: false },
            ticks: { stroke: grid, size: 4, width: 1 },
            incrs: timeSteps,
            values: (_u, splits) => splits.map((at) => stamps.axis(at)),
          },
          {
            stroke: text,
            font,
            gap: 6,
            space: 44,
            size: (u, values) => {
              if (!values) return 40;
              u.ctx.save();
              u.ctx.font = font;
              const widest = Math.max(...values.map((value) => u.ctx.measureText(value ?? "").width));
              u.ctx.restore();
              return Math.ceil(widest) + 14;
            },
            grid: { stroke: grid, width: 1 },
            ticks: { show: false },
            values: (_u, splits) => splits.map(axisValue),
          },
        ],
        series: [
          {},
          ...data.series.map((series, i): uPlot.Series => {
            const colour = token(`--series-${(i % seriesCount) + 1}`);
            return {
              label: series.name,
              stroke: colour,
              width: 2,
              dash: named ? [] : dashes[i % dashes.length],
              fill: single ? `${colour}22` : undefined,
              points: { show: data.times.length < 2 },
              spanGaps: true,
            };
          }),
        ],
        hooks: { draw: named ? [drawNames] : [], setCursor: [(u) => tip(u, element, stamps.full, fullValue)] },
      },
      [data.times, ...data.series.map((series) => series.points)] as uPlot.AlignedData,
      element,
    );
    // The drawing is said in words by the element around it.
    chart.current = instance;
    const observer = new ResizeObserver(() => {
      if (namesFit(element, data) !== named) setNamed(!named);
      else if (element.clientWidth > 0) instance.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      instance.destroy();
      chart.current = null;
    };
  }, [names, theme, height, money, unit, format, zone, atLeast, named]);

  useEffect(() => {
    chart.current?.setData([data.times, ...data.series.map((series) => series.points)] as uPlot.AlignedData);
  }, [data]);

  return (
    <div class={`chart chart-${height}`} role="img" aria-label={label}>
      {!named && data.series.length > 1 && <Legend data={data.series} show={axisValue} />}
      <div class="chart-canvas" ref={host} />
    </div>
  );
}

function Legend({ data, show }: { data: Timeline["series"]; show: (value: number) => string }) {
  return (
    <ul class="legend" aria-hidden="true">
      {data.slice(0, 12).map((series, i) => {
        const last = series.points.findLast((value) => value !== null);
        return (
          <li key={series.name}>
            <span class={`swatch line fill-${(i % seriesCount) + 1} dash-${(i % seriesCount) + 1}`} />
            <span>{columnTitle(series.name)}</span> <b>{last === undefined || last === null ? missing : show(last)}</b>
          </li>
        );
      })}
      {data.length > 12 && <li>and {data.length - 12} more</li>}
    </ul>
  );
}

// ---- the name of each line, at its end ------------------------------------------------------------------------------

const nameHeight = 14;
const nameFont = (): string => `550 12px ${token("--font")}`;

function namesFit(element: HTMLElement, data: Timeline): boolean {
  return data.series.length > 1 && data.series.length <= seriesCount && element.clientWidth >= 460;
}

function roomForNames(element: HTMLElement, data: Timeline): number {
  const context = element.ownerDocument.createElement("canvas").getContext("2d");
  if (!context) return 80;
  context.font = nameFont();
  const widest = Math.max(...data.series.map((series) => context.measureText(columnTitle(series.name).slice(0, 60)).width));
  return Math.min(Math.ceil(widest) + 16, element.clientWidth / 3);
}

/** Beside the last point of each line, moved apart where lines end close together. */
function drawNames(u: uPlot): void {
  const scale = uPlot.pxRatio;
  const { ctx } = u;
  const names = u.series
    .slice(1)
    .map((series, i) => {
      const last = (u.data[i + 1] as (number | null)[] | undefined)?.findLast((value) => value !== null);
      return { text: columnTitle(String(series.label)), colour: token(`--series-${(i % seriesCount) + 1}`), y: u.valToPos(last ?? 0, "y", true) / scale };
    })
    .sort((a, b) => a.y - b.y);
  const bottom = (u.bbox.top + u.bbox.height) / scale - nameHeight / 2;
  let floor = u.bbox.top / scale + nameHeight / 2 - 4;
  for (const name of names) floor = (name.y = Math.max(name.y, floor)) + nameHeight;
  let ceiling = bottom + 4;
  for (const name of names.toReversed()) ceiling = (name.y = Math.min(name.y, ceiling)) - nameHeight;
  ctx.save();
  ctx.font = nameFont().replace("12px", `${12 * scale}px`);
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  for (const name of names) {
    ctx.fillStyle = name.colour;
    const left = u.bbox.left + u.bbox.width + 8 * scale;
    ctx.fillText(cutTo(ctx, name.text, ctx.canvas.width - left), left, name.y * scale);
  }
  ctx.restore();
}

function cutTo(ctx: CanvasRenderingContext2D, text: string, room: number): string {
  if (ctx.measureText(text.slice(0, 200)).width <= room && text.length <= 200) return text;
  let length = Math.min(text.length, 60);
  while (length > 1 && ctx.measureText(`${text.slice(0, length)}…`).width > room) length--;
  return `${text.slice(0, length)}…`;
}

const minute = 60;
const hour = 3600;
const day = 24 * hour;
/** Steps of the time axis: whole ones only, or two ticks would carry the same label. */
const timeSteps = [1, 2, 5, 10, 15, 30, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 3 * hour, 4 * hour, 6 * hour, 8 * hour, 12 * hour, day, 2 * day, 3 * day, 7 * day, 14 * day, 30 * day, 90 * day, 365 * day];

/** Labels of the time axis, midnight as its date, and the full time for the tip. */
function timeStamps(locale: string, unit: "day" | "minute" | "second", timeZone: string | undefined) {
  const date = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone });
  const time = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", timeZone, ...(unit === "second" ? { second: "2-digit" } : {}) });
  const midnight = time.format(timeZone === "UTC" ? 0 : new Date(2025, 0, 1).getTime());
  const both = (at: number): string => `${date.format(at * 1000)}, ${time.format(at * 1000)}`;
  if (unit === "day") return { axis: (at: number) => date.format(at * 1000), full: both };
  const axis = (at: number): string => {
    const shown = time.format(at * 1000);
    return unit === "minute" && shown === midnight ? date.format(at * 1000) : shown;
  };
  return { axis, full: unit === "second" ? axis : both };
}

function tip(u: uPlot, host: HTMLElement, when: (seconds: number) => string, show: (value: number) => string): void {
  let box = host.querySelector<HTMLDivElement>(".chart-tip");
  const at = u.cursor.idx;
  const left = u.cursor.left ?? -1;
  if (at === null || at === undefined || left < 0) {
    box?.remove();
    return;
  }
  if (!box) {
    box = document.createElement("div");
    box.className = "chart-tip";
    u.over.append(box);
  }
  const head = document.createElement("strong");
  head.textContent = when(u.data[0][at] as number);
  const lines = u.series.slice(1).map((series, i) => {
    const line = document.createElement("div");
    const value = u.data[i + 1]?.[at];
    const text = value === null || value === undefined ? "–" : show(value);
    line.textContent = u.series.length > 2 ? `${String(series.label)}: ${text}` : text;
    return line;
  });
  box.replaceChildren(head, ...lines);
  const width = box.offsetWidth;
  const right = left + 12 + width > u.over.clientWidth;
  box.style.transform = `translate(${Math.max(0, right ? left - width - 12 : left + 12)}px, 8px)`;
}

/** The chart in a sentence: what a person who does not see it needs. */
export function describe(title: string, data: Timeline, show: (value: number) => string, when: (seconds: number) => string): string {
  if (data.times.length === 0) return `${title}: no data`;
  const from = when(data.times[0] as number);
  const to = when(data.times.at(-1) as number);
  const parts = data.series.slice(0, seriesCount).map((series) => {
    const values = series.points.filter((value): value is number => value !== null);
    if (values.length === 0) return `${columnTitle(series.name)}: none`;
    const last = values.at(-1) as number;
    return `${columnTitle(series.name)}: latest ${show(last)}, lowest ${show(Math.min(...values))}, highest ${show(Math.max(...values))}`;
  });
  return `${title}, line chart from ${from} to ${to}. ${parts.join(". ")}.`;
}
