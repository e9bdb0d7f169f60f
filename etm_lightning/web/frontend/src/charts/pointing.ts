/** Which line is pointed at, and what it has there. */

import { nearest } from "../numbers/search";
import type { Frame } from "./paint";
import { placing } from "./paint";
import type { Line } from "./lines";

export interface Value {
  readonly line: Line;
  readonly index: number;
  readonly x: number;
  readonly y: number;
}

/** The index of a line's point that is nearest in x; -1 beyond its ends or where it has no finite value. */
export function nearestIndex(line: Line, x: number): number {
  if (!line.x.length) return -1;
  const i = line.ascending ? nearest(line.x, x) : nearestOfAll(line.x, x);
  return Number.isFinite(line.y[i]!) ? i : -1;
}

function nearestOfAll(values: Float64Array, x: number): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (Math.abs(values[i]! - x) < Math.abs(values[best]! - x)) best = i;
  return best;
}

/** What each line has nearest to x, those that end before or begin after it left out. */
export function valuesAt(lines: readonly Line[], x: number, slack = 0): Value[] {
  return lines.flatMap((line) => {
    const i = nearestIndex(line, x);
    if (i < 0) return [];
    const at = line.x[i]!;
    const outside = line.ascending && (x < line.x[0]! - slack || x > line.x[line.x.length - 1]! + slack);
    return outside ? [] : [{ line, index: i, x: at, y: line.y[i]! }];
  });
}

/** The line whose height at x is nearest to `top` (page pixels from the upper edge); null if none is within 40 pixels. */
export function pointedAt(values: readonly Value[], frame: Frame, top: number): string | null {
  const py = placing(frame.y);
  let [best, distance] = [null as string | null, 40];
  for (const value of values) {
    const away = Math.abs((py(value.y) - frame.y.to) / frame.ratio - top);
    if (away < distance) [best, distance] = [value.line.id, away];
  }
  return best;
}
