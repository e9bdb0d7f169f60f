/** Metrics of runs that differ by their seeds only, together. */

import type { CompareMetric, Delta, Row } from "../api/types";
import { grouped, type RunGroup } from "../charts/groups";
import { parsed } from "../numbers/format";
import { deviation, mean } from "../numbers/statistics";

export interface SeedCell {
  readonly n: number;
  readonly mean: number;
  readonly sd: number;
  /** Against the baseline's group; null in that itself. */
  readonly delta: number | null;
  readonly ci: readonly [number, number] | null;
  readonly p: number | null;
  readonly test: string;
}

export interface SeedLine {
  readonly metric: CompareMetric;
  readonly cells: readonly SeedCell[];
}

/** Groups of replicates, the baseline's first; none if every run is alone. */
export function seedGroups(rows: readonly Row[], baseline: string): RunGroup[] {
  const groups = grouped(rows, "replicates");
  if (groups.every((group) => group.keys.length < 2)) return [];
  return groups.sort((a, b) => Number(b.keys.includes(baseline)) - Number(a.keys.includes(baseline)));
}

/** What each metric comes to in each group. The intervals and tests are the server's, found by what they are of. */
export function seedLine(metric: CompareMetric, rows: readonly Row[], groups: readonly RunGroup[]): SeedLine {
  const values = new Map(rows.map((row, k) => [row.key, parsed(metric.values[k] ?? "nan")]));
  const of = (group: RunGroup) => group.keys.map((key) => values.get(key)!).filter(Number.isFinite);
  const base = mean(of(groups[0]!));
  const cells = groups.map((group, k) => {
    const found = of(group);
    const centre = mean(found);
    const told = k ? tested(metric, centre - base) : null;
    return {
      n: found.length,
      mean: centre,
      sd: deviation(found),
      delta: k ? centre - base : null,
      ci: told?.ci ? ([parsed(told.ci[0]), parsed(told.ci[1])] as const) : null,
      p: told?.p === null || told?.p === undefined ? null : parsed(told.p),
      test: told?.test ?? "",
    };
  });
  return { metric, cells };
}

/** The server's word on a difference of means: the delta with that mean. */
function tested(metric: CompareMetric, difference: number): Delta | null {
  const near = (delta: Delta | null) => delta !== null && Math.abs(parsed(delta.mean) - difference) <= 1e-9 * Math.max(1, Math.abs(difference));
  return metric.delta.find(near) ?? null;
}
