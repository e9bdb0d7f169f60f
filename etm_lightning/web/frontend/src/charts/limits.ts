/** The ranges that a chart shows. */

import type { View } from "./view";
import type { Line } from "./lines";
import { visible } from "./paint";
import { extent, padded, robustRange, type Range } from "../numbers/ranges";

/** All of x. */
export function wholeX(lines: readonly Line[], log: boolean): Range {
  const marks = lines.map((line) => line.marks.map((mark) => mark.x));
  const range = extent([...lines.map((line) => (line.ascending && !log ? endsOf(line.x) : line.x)), ...marks], log) ?? (log ? [1, 10] : [0, 1]);
  return range[0] === range[1] ? padded(range, 0.05, log) : range;
}

/** The first and the last one: the least and the most of what ascends. */
const endsOf = (x: Float64Array): Float64Array => (x.length ? Float64Array.of(x[0]!, x[x.length - 1]!) : x);

/** The heights of what is seen in a part of x, with some room. */
export function heights(lines: readonly Line[], x: Range, view: Pick<View, "logY" | "robust">): Range {
  const seen = lines.flatMap((line) => {
    const [start, end] = visible(line, x);
    const columns = line.low ? [line.y, line.low, line.high!] : [line.y];
    const cut = columns.map((column) => column.subarray(start, end));
    if (!line.raw) return cut;
    return [...cut, line.raw.y.subarray(...visible({ x: line.raw.x, ascending: line.ascending }, x))];
  });
  const range = view.robust ? robustRange(seen, view.logY) : extent(seen, view.logY);
  return padded(range ?? (view.logY ? [0.1, 1] : [0, 1]), 0.06, view.logY);
}

/** How many points of the lines lie above or below a range. */
export function outside(lines: readonly Line[], x: Range, y: Range): number {
  let found = 0;
  for (const line of lines) {
    const [start, end] = visible(line, x);
    for (let i = start; i < end; i++) if (line.y[i]! < y[0] || line.y[i]! > y[1]) found++;
  }
  return found;
}
