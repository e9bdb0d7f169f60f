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
