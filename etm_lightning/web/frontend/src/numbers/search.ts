/** The index of the value of ascending `column` that is nearest to `at`; -1 if it is empty. */
export function nearest(column: ArrayLike<number>, at: number): number {
  const right = firstFrom(column, at);
  if (right === 0) return column.length ? 0 : -1;
  if (right === column.length) return right - 1;
  return at - column[right - 1]! <= column[right]! - at ? right - 1 : right;
}

/** The index of the first value of ascending `column` that is at least `at`; its length if there is none. */
export function firstFrom(column: ArrayLike<number>, at: number): number {
  let low = 0;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (column[middle]! < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
