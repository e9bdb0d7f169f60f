/** Fewer points with the same extremes. */

import type { Curve } from "./align";

/**
 * The first, lowest, highest and last point of each of `points / 4` equal parts of x, as M4 (Jugel et al., 2014).
 *
 * So a spike of one point is never lost. Points that are not finite are kept out; there are as many parts as asked for or
 * fewer, and a curve of at most `points` points stays as it is.
 */
export function thin(curve: Curve, points: number): Curve {
  const { x, y } = curve;
  if (x.length <= points) return curve;
  const parts = Math.max(1, Math.floor(points / 4));
  const [from, width] = [x[0]!, (x[x.length - 1]! - x[0]!) / parts || 1];
  const kept: number[] = [];
  for (let start = 0; start < x.length; ) {
    const part = Math.min(parts - 1, Math.floor((x[start]! - from) / width));
    let [end, low, high] = [start, -1, -1];
    while (end < x.length && Math.min(parts - 1, Math.floor((x[end]! - from) / width)) === part) {
      const value = y[end]!;
      if (Number.isFinite(value)) {
        if (low < 0 || value < y[low]!) low = end;
        if (high < 0 || value > y[high]!) high = end;
      }
      end++;
    }
    const of = new Set([start, low, high, end - 1].filter((i) => i >= 0 && Number.isFinite(y[i]!)));
    kept.push(...[...of].sort((a, b) => a - b));
    start = end;
  }
  return { x: Float64Array.from(kept, (i) => x[i]!), y: Float64Array.from(kept, (i) => y[i]!) };
}
