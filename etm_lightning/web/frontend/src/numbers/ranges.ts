/** The part of an axis that is worth showing. */

import { quantile } from "./statistics";

export type Range = readonly [number, number];

/** From the smallest to the largest finite value; null if there is none. Of a log axis only values above 0 count. */
export function extent(columns: Iterable<ArrayLike<number>>, log = false): Range | null {
  let low = Infinity;
  let high = -Infinity;
  for (const column of columns)
    for (let i = 0; i < column.length; i++) {
      const value = column[i]!;
      if (value < low && value > -Infinity && (!log || value > 0)) low = value;
      if (value > high && value < Infinity && (!log || value > 0)) high = value;
    }
  return low <= high ? [low, high] : null;
}

/**
 * The range without outliers: from half the distance of the 5 % and 95 % quantiles below the one to as far above the
 * other, and never beyond the values. Where these quantiles are equal it is the whole range.
 */
export function robustRange(columns: Iterable<ArrayLike<number>>, log = false): Range | null {
  const kept: number[] = [];
  for (const column of columns)
    for (let i = 0; i < column.length; i++) {
      const value = column[i]!;
      if (Number.isFinite(value) && (!log || value > 0)) kept.push(log ? Math.log(value) : value);
    }
  if (!kept.length) return null;
  const sorted = Float64Array.from(kept).sort();
  const [low, high] = [quantile(sorted, 0.05), quantile(sorted, 0.95)];
  const [first, last] = [sorted[0]!, sorted[sorted.length - 1]!];
  const slack = (high - low) / 2;
  const range = slack > 0 ? [Math.max(first, low - slack), Math.min(last, high + slack)] : [first, last];
  return log ? [Math.exp(range[0]!), Math.exp(range[1]!)] : [range[0]!, range[1]!];
}

/** The range with room around it, `share` of its length at each end; around one value a tenth of it, or 1 around 0. */
export function padded([low, high]: Range, share = 0.05, log = false): Range {
  if (log) {
    const factor = low === high ? 2 : (high / low) ** share;
    return [low / factor, high * factor];
  }
  const room = low === high ? Math.abs(low) * 0.1 || 1 : (high - low) * share;
  return [low - room, high + room];
}
