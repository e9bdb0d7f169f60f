/** Places for the marks of an axis. */

import type { Range } from "./ranges";

/** About `count` multiples of 1, 2 or 5 times a power of ten within the range. */
export function ticks([low, high]: Range, count = 5): number[] {
  if (!(high > low)) return Number.isFinite(low) ? [low] : [];
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((candidate) => candidate >= rough * 0.999)!;
  const out: number[] = [];
  const places = Math.max(0, 2 - Math.floor(Math.log10(step)));
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++)
    out.push(places > 100 ? k * step : Number((k * step).toFixed(Math.min(100, places))));
  return out;
}

/** The powers of ten within a range above 0, or the plain ticks where these are fewer than two. */
export function logTicks([low, high]: Range, count = 5): number[] {
  const out: number[] = [];
  for (let k = Math.ceil(Math.log10(low) - 1e-9); k <= Math.log10(high) + 1e-9; k++) out.push(Number(`1e${k}`));
  if (out.length < 2) return ticks([low, high], count).filter((tick) => tick > 0);
  const every = Math.ceil(out.length / Math.max(2, count));
  return out.filter((_, k) => k % every === 0);
}

/** Multiples of the smallest of `steps`, ascending, that gives at most about `count`; plain ticks where none is large enough. */
export function ticksOf(steps: readonly number[], range: Range, count: number): number[] {
  const [low, high] = range;
  const step = steps.find((one) => one * count >= (high - low) * 0.999);
  if (!step || !(high > low)) return ticks(range, count);
  const out: number[] = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) out.push(Number((k * step).toPrecision(15)));
  return out;
}

const DAY = 86400;
const PARTS_OF_A_DAY = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
];
/** By the seconds of a step: how many days, or months, or years it is. */
const CALENDAR: [number, "days" | "months" | "years", number][] = [
  ...[1, 2, 7, 14].map((n): [number, "days", number] => [n * DAY, "days", n]),
  ...[1, 3, 6].map((n): [number, "months", number] => [n * 30 * DAY, "months", n]),
  ...[1, 2, 5, 10, 50, 100].map((n): [number, "years", number] => [n * 365 * DAY, "years", n]),
];

export interface Clock {
  /** Seconds between two marks, about. */
  readonly step: number;
  readonly at: readonly number[];
}

/** Whole seconds, minutes, hours, days, months or years of the local clock, at most about `count` of them; Unix seconds. */
export function clockTicks([low, high]: Range, count = 5): Clock {
  const rough = (high - low) / Math.max(1, count);
  const part = PARTS_OF_A_DAY.find((step) => step >= rough * 0.999);
  if (part) {
    const behind = new Date(low * 1000).getTimezoneOffset() * 60;
    return { step: part, at: ticksOf([part], [low - behind, high - behind], count).map((at) => at + behind) };
  }
  const [step, unit, every] = CALENDAR.find(([seconds]) => seconds >= rough * 0.999) ?? CALENDAR.at(-1)!;
  const first = new Date(low * 1000);
  const [year, month, day] = [first.getFullYear(), first.getMonth(), first.getDate()];
  const at: number[] = [];
  for (let k = 0; ; k++) {
    const date = unit === "days" ? new Date(year, month, day + k) : unit === "months" ? new Date(year, month + k) : new Date(year + k, 0);
    const seconds = date.getTime() / 1000;
    const number = unit === "days" ? Math.round(seconds / DAY - date.getTimezoneOffset() / 1440) : unit === "months" ? date.getMonth() : date.getFullYear();
    if (!(seconds <= high)) return { step, at };
    if (seconds >= low && number % every === 0) at.push(seconds);
  }
}
