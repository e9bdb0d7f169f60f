/** What is drawn, made of the points that came. */

import type { SeriesData } from "../api/types";
import { align, type Curve } from "../numbers/align";
import { band, type BandKind } from "../numbers/bands";
import { smooth, type Smoothing } from "../numbers/smoothing";
import { thin } from "../numbers/thin";
import type { RunGroup } from "./groups";

export interface Mark {
  readonly x: number;
  readonly kind: "nan" | "inf" | "-inf" | "attempt";
  readonly text: string;
}

export interface Line {
  /** Key of the run, or id of the group. */
  readonly id: string;
  readonly label: string;
  readonly slot: number;
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** As logged, where `y` is smoothed. */
  readonly raw: Curve | null;
  readonly low: Float64Array | null;
  readonly high: Float64Array | null;
  /** Runs at each x, of a band. */
  readonly count: Uint32Array | null;
  readonly marks: readonly Mark[];
  /** Whether x ascends: not always where x is a metric. */
  readonly ascending: boolean;
  readonly total: number;
  readonly complete: boolean;
}

export interface Style {
  readonly smoothing: Smoothing;
  readonly band: BandKind;
  readonly name: (key: string) => string;
  readonly slot: (key: string) => number;
}

/** One line per run. */
export function lines(series: readonly SeriesData[], style: Style): Line[] {
  return series.filter((one) => one.n || one.nonfinite.length).map((one) => line(one, style));
}

/** More points than this are thinned before they are drawn; more come only to be smoothed as they were logged. */
const MOST = 2600;

function line(one: SeriesData, style: Style): Line {
  const stretch = one.last !== null && one.first !== null && one.n > 1 ? share(one) : 1;
  const y = smooth(one.y, style.smoothing, one.total * stretch);
  const ascending = ascends(one.x);
  const few = (curve: Curve): Curve => (ascending && curve.x.length > MOST ? thin(curve, MOST / 2) : curve);
  const drawn = few({ x: one.x, y });
  return {
    id: one.run,
    label: style.name(one.run),
    slot: style.slot(one.run),
    x: drawn.x,
    y: drawn.y,
    raw: y === one.y ? null : few(one),
    low: null,
    high: null,
    count: null,
    marks: marks(one),
    ascending,
    total: one.total,
    complete: one.complete,
  };
}

/** The share of a series' x that its points here cover: its logged points are about as many times more. */
function share(one: SeriesData): number {
  const whole = one.last! - one.first!;
  return whole > 0 ? Math.min(1, Math.max(0, (one.x[one.n - 1]! - one.x[0]!) / whole)) || 1 : 1;
}

function marks(one: SeriesData): Mark[] {
  const odd = one.nonfinite.map(([x, kind]) => ({ x, kind, text: `${kind} at ${x}` }));
  const begun = one.attempts.filter(([, attempt]) => attempt > 1).map(([x, attempt]) => ({ x, kind: "attempt" as const, text: `attempt ${attempt}` }));
  return [...odd, ...begun].filter(({ x }) => Number.isFinite(x));
}

export function ascends(x: Float64Array): boolean {
  for (let i = 1; i < x.length; i++) if (!(x[i]! >= x[i - 1]!)) return false;
  return true;
}

/** One line with a band per group of several runs, and a plain one per run that is alone. */
export function bands(series: readonly SeriesData[], groups: readonly RunGroup[], style: Style): Line[] {
  const by = new Map(series.map((one) => [one.run, one]));
  return groups.flatMap((group, slot) => {
    const members = group.keys.flatMap((key) => by.get(key) ?? []).filter((one) => one.n);
    if (!members.length) return [];
    const alone = { ...style, name: () => group.label, slot: () => slot };
    return members.length === 1 ? lines(members, alone) : [banded(group, members, slot, style)];
  });
}

function banded(group: RunGroup, members: readonly SeriesData[], slot: number, style: Style): Line {
  const curves = members.map((one) => (ascends(one.x) ? one : sorted(one)));
  const found = band(align(curves), style.band);
  const logged = Math.max(...members.map((one) => one.total));
  const even = (column: Float64Array) => smooth(column, style.smoothing, logged);
  return {
    id: group.id,
    label: group.label,
    slot,
    x: found.x,
    y: even(found.mean),
    raw: null,
    low: even(found.low),
    high: even(found.high),
    count: found.count,
    marks: members.flatMap(marks),
    ascending: true,
    total: members.reduce((sum, one) => sum + one.total, 0),
    complete: members.every((one) => one.complete),
  };
}

function sorted({ x, y }: SeriesData): { x: Float64Array; y: Float64Array } {
  const order = [...x.keys()].sort((a, b) => x[a]! - x[b]!);
  return { x: Float64Array.from(order, (i) => x[i]!), y: Float64Array.from(order, (i) => y[i]!) };
}

/** The last finite value; NaN if there is none. */
export function lastOf(values: ArrayLike<number>): number {
  for (let i = values.length - 1; i >= 0; i--) if (Number.isFinite(values[i]!)) return values[i]!;
  return NaN;
}

