/** What axes say. */

import type { X } from "../api/types";
import { count, date, duration, number } from "../numbers/format";

export const X_NAMES: Record<string, string> = {
  step: "step",
  epoch: "epoch",
  samples: "samples",
  time: "time",
  relative: "time since start",
};

export const nameOf = (x: X): string => (typeof x === "string" ? X_NAMES[x]! : x.metric);

/** A value of x as the tooltip says it. */
export function told(x: X, value: number): string {
  if (x === "time") return date(value);
  if (x === "relative") return duration(value);
  return `${nameOf(x)} ${number(value, 6)}`;
}

/** Steps between the marks of an axis of seconds: parts of minutes, hours and days. */
export const SECONDS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800,
  21600, 43200, 86400, 172800, 432000, 864000, 1728000, 4320000, 8640000,
];

export function tickText(x: X, value: number): string {
  if (x === "relative") return value === 0 ? "0" : duration(value);
  return count(value);
}

/** A mark of an axis of wall time: the date where a day begins or the axis does, the time elsewhere. */
export function clockText(value: number, before: number | undefined, step: number): string {
  const text = date(value); // 2026-11-28 18:41:12
  if (step >= 28 * 86400) return step >= 365 * 86400 ? text.slice(0, 4) : text.slice(0, 7);
  if (before === undefined || date(before).slice(0, 10) !== text.slice(0, 10)) return text.slice(5, 10);
  if (step < 1) return text.slice(17) + (value - Math.floor(value)).toFixed(3).slice(1);
  return step < 60 ? text.slice(11) : text.slice(11, 16);
}
