/** One curve with a band instead of the curves of several runs. */

import type { Aligned } from "./align";
import { randomBelow } from "./random";
import { deviation, mean, quantile } from "./statistics";

/** `sd`: mean ± standard deviation; `range`: smallest to largest; `ci`: 95 % bootstrap interval of the mean. */
export type BandKind = "sd" | "range" | "ci";

export interface Band {
  readonly x: Float64Array;
  readonly mean: Float64Array;
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** Curves that have a value at each x. */
  readonly count: Uint32Array;
}

/**
 * The mean of the curves at each x, with a band. Curves without a value there do not count; the band of one curve has no
 * width, except that `range` shows what was between two points.
 */
export function band(aligned: Aligned, kind: BandKind, resamples = 500): Band {
  const n = aligned.x.length;
  const out: Band = {
    x: aligned.x,
    mean: new Float64Array(n),
    low: new Float64Array(n),
    high: new Float64Array(n),
    count: new Uint32Array(n),
  };
  const interval = bootstrap(resamples);
  for (let i = 0; i < n; i++) {
    const values = aligned.columns.map((column) => column[i]!).filter((value) => !Number.isNaN(value));
    const centre = mean(values);
    const [low, high] = edges(aligned, i, kind, values, centre, interval);
    out.count[i] = values.length;
    out.mean[i] = centre;
    out.low[i] = low;
    out.high[i] = high;
  }
  return out;
}

function edges(
  aligned: Aligned,
  i: number,
  kind: BandKind,
  values: number[],
  centre: number,
  interval: (values: readonly number[]) => [number, number],
): [number, number] {
  if (values.length === 0) return [NaN, NaN];
  if (kind === "ci") return interval(values);
  if (kind === "sd") {
    const spread = deviation(values);
    return [centre - spread, centre + spread];
  }
  const some = (columns: readonly Float64Array[]) =>
    columns.map((column) => column[i]!).filter((value) => !Number.isNaN(value));
  return [Math.min(...some(aligned.lows)), Math.max(...some(aligned.highs))];
}

/**
 * The 95 % percentile interval of the mean over `resamples` draws with replacement (Efron, 1979).
 *
 * The same draws are made for every x and every page, so that a band is smooth and does not flicker.
 */
export function bootstrap(resamples = 500, level = 0.95): (values: readonly number[]) => [number, number] {
  const draws = new Map<number, Uint16Array>();
  return (values) => {
    const n = values.length;
    if (n < 2) return [values[0] ?? NaN, values[0] ?? NaN];
    const drawn = draws.get(n) ?? drawnIndices(n, resamples);
    draws.set(n, drawn);
    const means = new Float64Array(resamples);
    for (let b = 0; b < resamples; b++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += values[drawn[b * n + k]!]!;
      means[b] = sum / n;
    }
    means.sort();
    return [quantile(means, (1 - level) / 2), quantile(means, (1 + level) / 2)];
  };
}

function drawnIndices(n: number, resamples: number): Uint16Array {
  const below = randomBelow(0x9e3779b9);
  return Uint16Array.from({ length: n * resamples }, () => below(n));
}
