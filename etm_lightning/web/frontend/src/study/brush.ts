/** Which trials are chosen: those within a stretch of each brushed axis. */

import { place, type Column } from "./columns";
import type { Range } from "../numbers/ranges";

/** By column, from 0 to 1 along its axis. */
export type Brushes = Readonly<Record<string, Range>>;

/** Trials that lie within all brushes; one without a value does not. */
export function within(columns: readonly Column[], brushes: Brushes, n: number): boolean[] {
  const brushed = columns.filter((column) => brushes[column.name]);
  return Array.from({ length: n }, (_, i) =>
    brushed.every((column) => {
      const share = place(column, column.values[i] ?? null);
      const [low, high] = brushes[column.name]!;
      return share !== null && share >= low - 1e-9 && share <= high + 1e-9;
    }),
  );
}

/** A brush moved or, with `grow`, made longer; it stays on its axis. */
export function nudged([low, high]: Range, by: number, grow: boolean): Range {
  if (grow) return [Math.max(0, low - by), Math.min(1, Math.max(high + by, low - by + 0.01))];
  const room = Math.min(1 - high, Math.max(-low, by));
  return [low + room, high + room];
}

export function readBrushes(text: string): Brushes {
  const found: Record<string, Range> = {};
  for (const part of text.split(";")) {
    const match = /^(.+):([\d.]+)~([\d.]+)$/.exec(part);
    if (!match) continue;
    const [low, high] = [Number(match[2]), Number(match[3])];
    if (low <= high && high <= 1) found[decodeURIComponent(match[1]!)] = [low, high];
  }
  return found;
}

export const writeBrushes = (brushes: Brushes): string =>
  Object.entries(brushes)
    .map(([name, [low, high]]) => `${encodeURIComponent(name)}:${low.toFixed(3)}~${high.toFixed(3)}`)
    .join(";");
