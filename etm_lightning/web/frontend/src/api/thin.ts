/** Which points of a long line are enough to draw it: of each bin the lowest and the highest, and the ends. */
export function thin(y: ArrayLike<number>, from: number, to: number, points: number): number[] {
  const count = to - from;
  if (count <= points || points < 4) return Array.from({ length: count }, (_, i) => from + i);
  const kept: number[] = [from];
  const bins = Math.max(1, Math.floor((points - 2) / 2));
  const width = (count - 2) / bins;
  for (let bin = 0; bin < bins; bin++) {
    const first = from + 1 + Math.floor(bin * width);
    const end = Math.min(to - 1, from + 1 + Math.floor((bin + 1) * width));
    let low = -1;
    let high = -1;
    for (let i = first; i < end; i++) {
      const value = y[i] as number;
      if (Number.isNaN(value)) continue;
      if (low < 0 || value < (y[low] as number)) low = i;
      if (high < 0 || value > (y[high] as number)) high = i;
    }
    if (low < 0) continue;
    kept.push(Math.min(low, high));
    if (low !== high) kept.push(Math.max(low, high));
  }
  kept.push(to - 1);
  return kept;
}
