/** Metrics in sections by what their names begin with. */

import { inOrder } from "../words";
import type { View } from "./view";

export interface Metric {
  /** As the API calls it: the name, with stage and axis where these tell series of one name apart. */
  readonly label: string;
  /** Runs that have it. */
  readonly count: number;
  /** True for samples of the machine. */
  readonly machine: boolean;
}

export interface Section {
  readonly name: string;
  readonly metrics: readonly Metric[];
}

/** Sections that people look at first; others follow by name, the machine's last. */
const FIRST = ["val", "valid", "validate", "validation", "eval", "test", "train"];
const LOOSE = "metrics";
/** What the part of the pinned charts is called. */
export const PINNED = "Pinned";
const MACHINE = "system";

/** The section of a name: what stands before its first slash; names without one are together. */
export function sectionOf(metric: Metric): string {
  if (metric.machine) return MACHINE;
  const slash = metric.label.indexOf("/");
  return slash > 0 ? metric.label.slice(0, slash) : LOOSE;
}

/** What a chart is called within its section. */
export const titleOf = (label: string, section: string): string =>
  label.startsWith(`${section}/`) ? label.slice(section.length + 1) : label;

export function sections(metrics: readonly Metric[], order: Record<string, readonly string[]> = {}): Section[] {
  const found = new Map<string, Metric[]>();
  for (const metric of metrics) {
    const name = sectionOf(metric);
    found.set(name, [...(found.get(name) ?? []), metric]);
  }
  return [...found]
    .map(([name, list]) => ({ name, metrics: arranged(list, order[name] ?? []) }))
    .sort((a, b) => place(a.name) - place(b.name) || inOrder(a.name, b.name));
}

/** A section as it stands on the page. */
export interface Part extends Section {
  readonly closed: boolean;
}

/** What a view shows of the metrics: those pinned on top, then the sections. */
export function parts(metrics: readonly Metric[], { filter, pinned, order, toggled }: View): Part[] {
  const found = metrics.filter((metric) => fits(metric.label, filter));
  const top = pinned.flatMap((label) => found.find((metric) => metric.label === label) ?? []);
  const rest = sections(found.filter((metric) => !pinned.includes(metric.label)), order);
  const all = top.length ? [{ name: PINNED, metrics: top }, ...rest] : rest;
  const closed = (name: string) => toggled.includes(name) !== (name === MACHINE && rest.length > 1 && !filter);
  return all.map((section) => ({ ...section, closed: closed(section.name) }));
}

/** Those named in `order` first, in its order; the others by name. */
function arranged(metrics: Metric[], order: readonly string[]): Metric[] {
  const at = (metric: Metric) => {
    const k = order.indexOf(metric.label);
    return k < 0 ? order.length : k;
  };
  return metrics.sort((a, b) => at(a) - at(b) || inOrder(a.label, b.label));
}

function place(name: string): number {
  if (name === MACHINE) return FIRST.length + 1;
  const k = FIRST.indexOf(name.toLowerCase());
  return k < 0 ? FIRST.length : k;
}


/** Puts `moved` in the place of `target`. */
export function rearranged(labels: readonly string[], moved: string, target: string): string[] {
  const from = labels.indexOf(moved);
  const to = labels.indexOf(target);
  if (from < 0 || to < 0 || from === to) return [...labels];
  const rest = labels.filter((label) => label !== moved);
  rest.splice(to, 0, moved);
  return rest;
}

/** Whether a name fits what was typed: every word of it, or a regular expression between slashes. */
export function fits(label: string, filter: string): boolean {
  const text = filter.trim();
  const pattern = /^\/(.+)\/$/.exec(text)?.[1];
  if (pattern !== undefined) {
    try {
      return new RegExp(pattern, "i").test(label);
    } catch {
      return false;
    }
  }
  return text.toLowerCase().split(/\s+/).every((word) => label.toLowerCase().includes(word));
}
