/** Several curves on one x. */

export interface Curve {
  /** Ascending. */
  readonly x: Float64Array;
  readonly y: Float64Array;
}

export interface Aligned {
  readonly x: Float64Array;
  /** One column per curve; NaN where it has no value. */
  readonly columns: readonly Float64Array[];
  /** The smallest and the largest value of each curve near each x: what the thinning kept. */
  readonly lows: readonly Float64Array[];
  readonly highs: readonly Float64Array[];
}

/** A common x of logged values has at most so many. */
const MOST = 2500;

/**
 * Put `curves` on a common x: the values that they were logged at where these are few, else `bins` equal parts.
 *
 * Between two of its points a curve is a line; before its first and after its last it has no value. In a bin its value is
 * the mean of its points there. Points that are not finite are left out.
 */
export function align(curves: readonly Curve[], bins = 600): Aligned {
  const clean = curves.map(finite);
  const longest = Math.max(0, ...clean.map((curve) => curve.x.length));
  const union = merged(clean.map((curve) => curve.x), Math.min(MOST, Math.max(2 * longest, bins)));
  if (union) {
    const columns = clean.map((curve) => on(union, curve));
    return { x: union, columns, lows: columns, highs: columns };
  }
  return binned(clean, bins);
}

function finite({ x, y }: Curve): Curve {
  let holes = false;
  for (let i = 0; i < y.length && !holes; i++) holes = !Number.isFinite(y[i]!) || !Number.isFinite(x[i]!);
  if (!holes) return { x, y };
  const keep = [...y.keys()].filter((i) => Number.isFinite(y[i]!) && Number.isFinite(x[i]!));
  return { x: Float64Array.from(keep, (i) => x[i]!), y: Float64Array.from(keep, (i) => y[i]!) };
}

/** All values of `columns` once, ascending; null if there are more than `most`. */
function merged(columns: readonly Float64Array[], most: number): Float64Array | null {
  const seen = new Set<number>();
  for (const column of columns) {
    for (let i = 0; i < column.length; i++) seen.add(column[i]!);
    if (seen.size > most) return null;
  }
  return Float64Array.from(seen).sort();
}

/** The curve's values at `x`, on lines between its points. Of several points at one x the last counts. */
function on(x: Float64Array, curve: Curve): Float64Array {
  const out = new Float64Array(x.length).fill(NaN);
  const last = curve.x.length - 1;
  let right = 0;
  for (let i = 0; i < x.length; i++) {
    const at = x[i]!;
    while (right <= last && curve.x[right]! <= at) right++;
    if (right === 0) continue;
    const [x0, y0] = [curve.x[right - 1]!, curve.y[right - 1]!];
    if (x0 === at) out[i] = y0;
    else if (right <= last) out[i] = y0 + ((at - x0) / (curve.x[right]! - x0)) * (curve.y[right]! - y0);
  }
  return out;
}

function binned(curves: readonly Curve[], bins: number): Aligned {
  const filled = curves.filter((curve) => curve.x.length);
  const from = Math.min(...filled.map((curve) => curve.x[0]!));
  const to = Math.max(...filled.map((curve) => curve.x[curve.x.length - 1]!));
  const width = (to - from) / bins || 1;
  const x = Float64Array.from({ length: bins }, (_, k) => from + (k + 0.5) * width);
  const parts = curves.map((curve) => inBins(curve, x, from, width));
  return {
    x,
    columns: parts.map((part) => part.middle),
    lows: parts.map((part) => part.low),
    highs: parts.map((part) => part.high),
  };
}

function inBins(curve: Curve, x: Float64Array, from: number, width: number) {
  const n = x.length;
  const [sum, count] = [new Float64Array(n), new Float64Array(n)];
  const low = new Float64Array(n).fill(Infinity);
  const high = new Float64Array(n).fill(-Infinity);
  for (let i = 0; i < curve.x.length; i++) {
    const bin = Math.min(n - 1, Math.floor((curve.x[i]! - from) / width));
    const value = curve.y[i]!;
    sum[bin]! += value;
    count[bin]! += 1;
    low[bin] = Math.min(low[bin]!, value);
    high[bin] = Math.max(high[bin]!, value);
  }
  const between = on(x, curve);
  const middle = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    middle[k] = count[k] ? sum[k]! / count[k]! : between[k]!;
    if (!count[k]) low[k] = high[k] = between[k]!;
  }
  return { middle, low, high };
}
