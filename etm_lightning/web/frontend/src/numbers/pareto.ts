/** Which points no other one beats. */

export type Direction = "min" | "max";

/**
 * The indices of the rows that no other row dominates: is at least as good in every column and better in one.
 *
 * Rows with a value that is not finite are never in front.
 */
export function paretoFront(rows: readonly (readonly number[])[], directions: readonly Direction[]): number[] {
  const signed = rows.map((row) => row.map((value, k) => (directions[k] === "max" ? -value : value)));
  const fits = [...signed.keys()].filter((i) => signed[i]!.every(Number.isFinite));
  return fits.filter((i) => !fits.some((j) => dominates(signed[j]!, signed[i]!)));
}

function dominates(a: readonly number[], b: readonly number[]): boolean {
  return a.every((value, k) => value <= b[k]!) && a.some((value, k) => value < b[k]!);
}

/** The best value up to each place; NaN before the first finite one. */
export function bestSoFar(values: readonly number[], direction: Direction): number[] {
  let best = NaN;
  return values.map((value) => {
    if (Number.isFinite(value) && (Number.isNaN(best) || (direction === "min" ? value < best : value > best)))
      best = value;
    return best;
  });
}
