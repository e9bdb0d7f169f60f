/** How much the settings have to do with the result. */

import { mean, rankCorrelation } from "../numbers/statistics";
import type { Column } from "./columns";

export interface Influence {
  readonly name: string;
  /** Spearman's rank correlation in [-1, 1]; of categories the correlation ratio in [0, 1], which has no sign. */
  readonly value: number;
  readonly signed: boolean;
}

/** The influence of each param on a result, the strongest first. Trials without one of the two do not count. */
export function influences(params: readonly Column[], result: Column): Influence[] {
  return params
    .map((param) => {
      const pairs = param.values
        .map((value, k) => [value, result.values[k]] as const)
        .filter((pair): pair is readonly [number | string, number] => pair[0] !== null && typeof pair[1] === "number");
      const signed = !param.categories.length;
      const value = pairs.length < 3 ? NaN : signed ? rankCorrelation(pairs.map(([a]) => a as number), pairs.map(([, b]) => b)) : ratio(pairs);
      return { name: param.name, value, signed };
    })
    .filter((one) => Number.isFinite(one.value))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
}

/** The correlation ratio: the root of the share of variance that lies between the categories (Fisher, 1925). */
function ratio(pairs: readonly (readonly [number | string, number])[]): number {
  const groups = new Map<number | string, number[]>();
  for (const [category, value] of pairs) groups.set(category, [...(groups.get(category) ?? []), value]);
  const centre = mean(pairs.map(([, value]) => value));
  const between = [...groups.values()].reduce((sum, group) => sum + group.length * (mean(group) - centre) ** 2, 0);
  const whole = pairs.reduce((sum, [, value]) => sum + (value - centre) ** 2, 0);
  return whole > 0 ? Math.sqrt(between / whole) : NaN;
}
