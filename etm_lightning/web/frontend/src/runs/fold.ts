import type { Plain, Row } from "../api/types";
import { numeric } from "../words";

export type FoldBy = "" | "group" | "settings";

/** Runs shown as one line. */
export interface Fold {
  id: string;
  label: string;
  rows: Row[];
}

export interface Stats {
  n: number;
  mean: number;
  sd: number | null;
}

/** Gathers runs by their group, or by their settings less the seed. Who belongs to nobody stands alone. */
export function fold(rows: Row[], by: FoldBy): Fold[] {
  const folds = new Map<string, Fold>();
  for (const row of rows) {
    const shared = by === "group" ? row.group : row.replicates;
    const id = shared ? JSON.stringify([row.store, row.project, by === "group" ? "" : row.group, shared]) : row.key;
    const known = folds.get(id);
    if (known) known.rows.push(row);
    else folds.set(id, { id, label: by === "group" ? row.group : unseeded(row.name || row.id), rows: [row] });
  }
  return [...folds.values()];
}

/** A name without what says its seed. */
export function unseeded(name: string): string {
  const less = name.replace(/[\s,;_-]*\bseed\s*[=:]?\s*\d+/gi, "").trim();
  return less || name;
}

/** Of runs with the same seed and settings only the newest counts: running one again adds no evidence. */
export function once(rows: Row[]): Row[] {
  const kept = new Map<string, Row>();
  for (const row of rows) {
    const id = row.seed === null || !row.replicates ? row.key : `${row.replicates} ${row.seed}`;
    const known = kept.get(id);
    if (!known || row.created > known.created) kept.set(id, row);
  }
  return [...kept.values()];
}

/** Mean and sample standard deviation of a metric; null if no run has it as a number. */
export function stats(rows: Row[], metric: string): Stats | null {
  const values = once(rows)
    .map((row) => numeric(row.metrics[metric]))
    .filter(Number.isFinite);
  if (values.length === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { n: values.length, mean, sd: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null };
}

/** A value that all rows share, or undefined. */
export function common(rows: Row[], of: (row: Row) => Plain | undefined): Plain | undefined {
  const first = rows[0] && of(rows[0]);
  const text = JSON.stringify(first);
  return rows.every((row) => JSON.stringify(of(row)) === text) ? first : undefined;
}

/** Sorts folds by a column: metrics by their mean, other columns by their first run, which is sorted already. */
export function sortFolds(folds: Fold[], sort: string): Fold[] {
  const down = sort.startsWith("-");
  const column = down ? sort.slice(1) : sort;
  if (!column.startsWith("metric.")) return folds;
  const means = new Map(folds.map((one) => [one, stats(one.rows, column.slice(7))?.mean ?? NaN]));
  return [...folds].sort((a, b) => {
    const [x, y] = [means.get(a) as number, means.get(b) as number];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) ? (Number.isNaN(y) ? 0 : 1) : -1;
    return down ? y - x : x - y;
  });
}
