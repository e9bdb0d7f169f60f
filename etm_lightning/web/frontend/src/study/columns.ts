/** The settings and results of trials, as axes. */

import type { Objective, Plain, Row, Study, Trial } from "../api/types";
import { number, parsed } from "../numbers/format";
import type { Direction } from "../numbers/pareto";
import { extent, type Range } from "../numbers/ranges";
import { logTicks, ticks } from "../numbers/ticks";
import { inOrder } from "../words";

export interface Column {
  readonly name: string;
  readonly title: string;
  /** `param`, or `result` for objectives and metrics. */
  readonly role: "param" | "result";
  readonly direction: Direction | null;
  /** In the order of the trials; null where one has none. */
  readonly values: readonly (number | string | null)[];
  /** Empty for numbers. */
  readonly categories: readonly string[];
  readonly range: Range;
  readonly log: boolean;
}

/** Numbers above 0 of which the largest is so many times the smallest get a log axis, and so do powers of two. */
const LOG_FROM = 50;

export const directionOf = (objective: Objective | null | undefined): Direction =>
  objective?.direction.startsWith("max") ? "max" : "min";

/** The columns of a study: its params, then its objectives, then the metrics of its runs. */
export function columnsOf(study: Study, rows: readonly Row[]): Column[] {
  const { trials } = study;
  const objectives = objectivesOf(study);
  const params = study.params.map((name) => column(name, "param", null, trials.map((trial) => trial.params[name])));
  const goals = objectives.map((objective, k) => column(objective.name, "result", directionOf(objective), trials.map((trial) => valueOf(trial, k))));
  const by = new Map(rows.map((row) => [row.key, row]));
  const names = new Set(rows.flatMap((row) => Object.keys(row.metrics)));
  const taken = new Set(objectives.map((objective) => objective.name));
  const metrics = [...names]
    .filter((name) => !taken.has(name))
    .map((name) => column(name, "result", null, trials.map((trial) => by.get(trial.key ?? "")?.metrics[name])));
  return [...params, ...goals, ...metrics];
}

export const objectivesOf = (study: Study): readonly Objective[] =>
  study.objectives?.length ? study.objectives : study.objective ? [study.objective] : [];

/** What a trial came to in objective `k`; NaN if nothing. */
export function valueOf(trial: Trial, k = 0): number {
  const value = trial.values?.length ? trial.values[k] : k === 0 ? trial.value : null;
  return parsed(value ?? "nan");
}

export function column(name: string, role: Column["role"], direction: Direction | null, raw: readonly (Plain | undefined)[]): Column {
  const known = raw.filter((value) => value !== null && value !== undefined);
  const numeric = known.every((value) => typeof value === "number" || value === "nan" || value === "inf" || value === "-inf");
  const values = raw.map((value) => {
    if (value === null || value === undefined) return null;
    if (!numeric) return typeof value === "object" ? JSON.stringify(value) : String(value);
    return Number.isFinite(value) ? (value as number) : null;
  });
  const numbers = values.filter((value): value is number => typeof value === "number");
  const range = extent([numbers]) ?? [0, 1];
  const categories = numeric ? [] : [...new Set(values.filter((value): value is string => value !== null))].sort((a, b) => inOrder(a, b));
  const doubled = numbers.every((value) => Number.isInteger(Math.log2(value)));
  const log = numeric && range[0] > 0 && range[1] > range[0] && (doubled || range[1] / range[0] >= LOG_FROM);
  return { name, title: name, role, direction, values, categories, range, log };
}

/** Where a value lies on its axis, from 0 to 1; null for none. */
export function place(column: Column, value: number | string | null): number | null {
  if (value === null) return null;
  if (typeof value === "string") {
    const n = column.categories.length;
    return n === 1 ? 0.5 : column.categories.indexOf(value) / (n - 1);
  }
  const [low, high] = column.range;
  if (low === high) return 0.5;
  return column.log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

/** The value at a place of a numeric axis. */
export function at(column: Column, share: number): number {
  const [low, high] = column.range;
  return column.log ? low * (high / low) ** share : low + (high - low) * share;
}

export interface Tick {
  readonly at: number;
  readonly text: string;
}

/** Marks of an axis: every category, or round numbers and where they do not reach, the ends. */
export function marksOf(column: Column, most = 5): Tick[] {
  if (column.categories.length) {
    const every = Math.ceil(column.categories.length / (3 * most));
    return column.categories.filter((_, k) => k % every === 0).map((text) => ({ at: place(column, text)!, text }));
  }
  const [low, high] = column.range;
  if (low === high) return [{ at: 0.5, text: number(low) }];
  const few = distinct(column);
  const marks = few.length && few.length <= most ? few : column.log ? logTicks(column.range, most) : ticks(column.range, most);
  return marks.map((value) => ({ at: place(column, value)!, text: number(value) }));
}

function distinct(column: Column): number[] {
  return [...new Set(column.values.filter((value): value is number => typeof value === "number"))].sort((a, b) => a - b);
}

/** What became of a trial, for its mark. */
export function kindOf(trial: Trial): "done" | "pruned" | "failed" | "running" {
  if (/prun/i.test(trial.status)) return "pruned";
  if (/run|wait|queue|retry|open/i.test(trial.status)) return "running";
  return /fail|crash|interrupt|preempt|lost|time/i.test(trial.status) ? "failed" : "done";
}
