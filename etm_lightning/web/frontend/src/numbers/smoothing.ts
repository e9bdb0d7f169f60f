/** Smooth curves. Points that are not finite stay where they are and touch no other point. */

/** How a curve is smoothed; `amount` is a weight in [0, 1) for `ema`, a width in points for `gaussian`. */
export type Smoothing = { kind: "none" } | { kind: "ema" | "gaussian"; amount: number };

/**
 * The exponential moving average of TensorBoard's scalar charts, started without a bias towards zero.
 *
 * `m = weight * m + (1 - weight) * y`, shown as `m / (1 - weight ** k)` after `k` finite points: the correction of
 * Adam (Kingma and Ba, 2015). A curve of one value stays as it is.
 */
export function ema(values: ArrayLike<number>, weight: number): Float64Array {
  if (!(weight >= 0 && weight < 1)) throw new RangeError(`\`weight\` must be in [0, 1) but got ${weight}`);
  const out = new Float64Array(values.length);
  let mean = 0;
  let bias = 1;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) {
      out[i] = value;
      continue;
    }
    mean = weight * mean + (1 - weight) * value;
    bias *= weight;
    out[i] = mean / (1 - bias);
  }
  return out;
}

/**
 * The mean of the points around each one, weighted by a Gaussian of the standard deviation `width` in points.
 *
 * The kernel reaches 3 widths to either side. Where the curve ends, or has a hole, the weights left are scaled to one.
 */
export function gaussian(values: ArrayLike<number>, width: number): Float64Array {
  if (!(width >= 0)) throw new RangeError(`\`width\` must be at least 0 but got ${width}`);
  const out = Float64Array.from(values);
  const reach = Math.ceil(3 * width);
  if (reach === 0) return out;
  const kernel = Float64Array.from({ length: reach + 1 }, (_, k) => Math.exp((-k * k) / (2 * width * width)));
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]!)) continue;
    let sum = 0;
    let weights = 0;
    for (let j = Math.max(0, i - reach); j <= Math.min(values.length - 1, i + reach); j++) {
      const value = values[j]!;
      if (!Number.isFinite(value)) continue;
      const weight = kernel[Math.abs(i - j)]!;
      sum += weight * value;
      weights += weight;
    }
    out[i] = sum / weights;
  }
  return out;
}

/**
 * Smooth a curve of `values.length` points that stands for `total` logged ones.
 *
 * A thinned curve is smoothed as far along x as the whole one would be: one of its steps is `total / length` logged
 * points, so the weight is raised to that power, and the width divided by it.
 */
export function smooth(values: Float64Array, how: Smoothing, total = values.length): Float64Array {
  if (how.kind === "none" || how.amount <= 0 || values.length === 0) return values;
  const stride = Math.max(1, total / values.length);
  return how.kind === "ema" ? ema(values, how.amount ** stride) : gaussian(values, how.amount / stride);
}
