/** Metrics of runs that differ by their seeds only, together. */

import type { CompareMetric, Delta, GroupStats, Num, Row } from "../api/types";
import { grouped, type RunGroup } from "../charts/groups";
import { parsed } from "../numbers/format";

export interface SeedCell {
  readonly n: number;
  readonly mean: number;
  readonly sd: number;
  /** Against the baseline's group; null in that itself, and where one of the two has no value. */
  readonly delta: number | null;
  readonly ci: readonly [number, number] | null;
  readonly p: number | null;
  readonly test: string;
}

export interface SeedLine {
  readonly metric: CompareMetric;
  readonly cells: readonly SeedCell[];
}

/** Groups of replicates in the server's order, the baseline's first; none if every run is alone. */
export function seedGroups(rows: readonly Row[], baseline: string): RunGroup[] {
  const groups = grouped(rows, "replicates");
  if (groups.every((group) => group.keys.length < 2)) return [];
  return groups.sort((a, b) => Number(b.keys.includes(baseline)) - Number(a.keys.includes(baseline)));
}

/** What each metric comes to in each group, as the server has it: a seed counts once, seeds of both groups in pairs. */
export function seedLine(metric: CompareMetric, groups: readonly RunGroup[]): SeedLine {
  const cells = groups.map((_, k) => cell(metric.groups[k], metric.delta[k] ?? null));
  return { metric, cells };
}

function cell(group: GroupStats | undefined, delta: Delta | null): SeedCell {
  const of = (value: Num | null | undefined) => (value === null || value === undefined ? NaN : parsed(value));
  const ci = delta?.ci ? ([of(delta.ci[0]), of(delta.ci[1])] as const) : null;
  const p = delta?.p ?? null;
  return {
    n: group?.n ?? 0,
    mean: of(group?.mean),
    sd: of(group?.sd),
    delta: delta ? of(delta.mean) : null,
    ci: ci?.every(Number.isFinite) ? ci : null,
    p: p === null ? null : of(p),
    test: delta?.test ?? "",
  };
}
