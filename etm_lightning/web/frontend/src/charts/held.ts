/** The points of one chart: the whole curves, a refined part of them, and what comes in later. */

import type { Source } from "../api/source";
import type { SeriesData, SeriesKey, X } from "../api/types";
import type { Range } from "../numbers/ranges";
import { drawn } from "./seen";
import type { Turns } from "./turns";
import type { View } from "./view";

export interface Wanted {
  readonly keys: readonly string[];
  readonly label: string;
  readonly x: X;
  readonly points: number;
  readonly superseded: boolean;
}

/** Most points asked for, over all runs of a chart, where these are smoothed or averaged: as they were logged, if possible. */
const BUDGET = 300_000;

/** What a chart wants; where runs are `together` one curve is made of several, and `tall` ones have room for more points. */
export function wantedOf(label: string, keys: readonly string[], view: View, { together = false, tall = false }): Wanted {
  const few = tall ? 3 * FEW : FEW;
  const dense = together || view.smoothing.kind !== "none";
  const points = dense ? Math.max(few, Math.min(20_000, Math.floor(BUDGET / Math.max(1, keys.length)))) : few;
  return { keys, label, x: view.x, points, superseded: view.superseded };
}

/** A part is asked for with this much of its length more on either side, so that a small move needs no new answer. */
const MARGIN = 0.5;
/** So many points of a curve are enough to look at: two for each pixel of a small chart. */
const FEW = 700;

/** Seconds for which the server may read runs, the second time that it is asked: at first it tells what it has read. */
const SOON = 0.05;

export class Held {
  whole: readonly SeriesData[] = [];
  /** The answer to the last zoom, and the range that it covers. */
  part: { range: Range; series: readonly SeriesData[] } | null = null;
  state: "new" | "loading" | "here" | "failed" = "new";
  error = "";
  /** Something came while nobody looked. */
  stale = false;
  private readonly ears = new Set<() => void>();
  private stop = new AbortController();
  private refining: AbortController | null = null;
  private catching = false;
  private waiting = false;

  constructor(
    private readonly source: Source,
    readonly wanted: Wanted,
    private readonly turns: Turns,
  ) {}

  hear(ear: () => void): () => void {
    this.ears.add(ear);
    return () => this.ears.delete(ear);
  }

  /** Asks for the whole curves, unless they are here or on their way. */
  async load(again = false): Promise<void> {
    if (!again && this.state === "here") return this.stale ? this.catchUp() : undefined;
    if (!again && this.state === "loading") return;
    this.stop.abort();
    const mine = (this.stop = new AbortController());
    if (this.state !== "here") this.state = "loading";
    try {
      // few points come first, so that something is to be seen at once
      for (const points of this.wanted.points > FEW ? [FEW, this.wanted.points] : [this.wanted.points]) {
        await this.fetch(points, mine);
        if (mine !== this.stop || this.whole.every((series) => series.complete)) return;
      }
    } catch (error) {
      if (mine.signal.aborted) return;
      this.state = "failed";
      this.error = (error as Error).message;
      this.tell();
    }
  }

  /** Asks until the curves of all runs are here: those of runs that the server has yet to read come as it reads them. */
  private async fetch(points: number, mine: AbortController): Promise<void> {
    let keys = this.wanted.keys;
    for (let within = 0; keys.length; within = 2 * within || SOON) {
      const query = { ...this.query(null, null), series: keys.map((key) => this.key(key)), points, within };
      const found = await this.turns.run(mine.signal, () => this.source.series(query, mine.signal));
      if (mine !== this.stop) return;
      const known = new Map(this.whole.map((series) => [series.run, series]));
      for (const series of found) if (!series.later || !known.has(series.run)) known.set(series.run, series);
      this.whole = this.wanted.keys.flatMap((key) => known.get(key) ?? []);
      this.state = "here";
      this.error = "";
      keys = found.filter((series) => series.later).map((series) => series.run);
      this.tell();
      if (!within && keys.length) await drawn(); // the server would take the cores that are to draw these
    }
    performance.mark("etm-whole");
  }

  /** Asks for more points of a part; the last one asked for counts. */
  async refine(range: Range | null): Promise<void> {
    this.refining?.abort();
    this.refining = null;
    if (!range || this.whole.every((series) => series.complete)) {
      if (this.part) {
        this.part = null;
        this.tell();
      }
      return;
    }
    if (this.covers(range)) return;
    const mine = (this.refining = new AbortController());
    const room = (range[1] - range[0]) * MARGIN;
    const wide: Range = [range[0] - room, range[1] + room];
    try {
      const series = await this.source.series(this.query(...wide), mine.signal);
      if (mine !== this.refining) return;
      this.part = { range: wide, series };
      this.tell();
    } catch (error) {
      if (!mine.signal.aborted) this.error = (error as Error).message;
    }
  }

  /** The curves to draw for a range: the part's where it covers that, else the whole ones. */
  curves(range: Range | null): readonly SeriesData[] {
    const part = this.part;
    return range && part && range[0] >= part.range[0] && range[1] <= part.range[1] ? part.series : this.whole;
  }

  /** Asks for what came since, one question at a time. */
  async catchUp(): Promise<void> {
    if (this.state !== "here") return;
    if (this.catching) {
      this.waiting = true;
      return;
    }
    this.catching = true;
    this.stale = false;
    try {
      await this.grow();
    } catch {
      // the next change asks again
    } finally {
      this.catching = false;
    }
    if (this.waiting) {
      this.waiting = false;
      await this.catchUp();
    }
  }

  close(): void {
    this.stop.abort();
    this.refining?.abort();
    this.ears.clear();
    if (this.state === "loading") this.state = "new";
  }

  private async grow(): Promise<void> {
    const held = new Map(this.whole.map((series) => [series.run, series]));
    const known = this.wanted.keys.filter((key) => held.has(key));
    if (known.length < this.wanted.keys.length || typeof this.wanted.x !== "string") return this.load(true);
    const asked = known.map((key) => this.key(key));
    const after = known.map((key) => held.get(key)!.cursor);
    const news = await this.source.series({ ...this.query(null, null), series: asked, after });
    if (!news.some((series) => series.n || series.nonfinite.length || series.reset)) return;
    if (news.some((series) => series.reset)) return this.load(true);
    const grown = news.map((series) => joined(held.get(series.run)!, series));
    if (grown.some((series) => !series || series.n > 3 * this.wanted.points)) return this.load(true);
    const by = new Map(grown.map((series) => [series!.run, series!]));
    this.whole = this.whole.map((series) => by.get(series.run) ?? series);
    this.part = null;
    this.tell();
  }

  private covers(range: Range): boolean {
    const part = this.part;
    if (!part || range[0] < part.range[0] || range[1] > part.range[1]) return false;
    const share = (range[1] - range[0]) / (part.range[1] - part.range[0]);
    return share > 0.3 || part.series.every((series) => series.complete);
  }

  private query(from: number | null, to: number | null) {
    const { keys, x, points } = this.wanted;
    return { series: keys.map((key) => this.key(key)), x, from, to, points, after: null };
  }

  private key(run: string): SeriesKey {
    return { run, name: this.wanted.label, ...(this.wanted.superseded ? { superseded: true } : {}) };
  }

  private tell(): void {
    for (const ear of this.ears) ear();
  }
}

/** Puts new points behind the old ones; null where they go back in x, as after a new attempt. */
export function joined(old: SeriesData, more: SeriesData): SeriesData | null {
  if (more.n && old.n && more.x[0]! < old.x[old.n - 1]!) return null;
  const behind = (a: Float64Array, b: Float64Array) => {
    const out = new Float64Array(a.length + b.length);
    out.set(a);
    out.set(b, a.length);
    return out;
  };
  const begun = new Set(old.attempts.map(([, attempt]) => attempt));
  return {
    ...more,
    x: behind(old.x, more.x),
    y: behind(old.y, more.y),
    n: old.n + more.n,
    total: Math.max(more.total, old.total + more.n),
    complete: old.complete && more.complete,
    first: old.first ?? more.first,
    nonfinite: [...old.nonfinite, ...more.nonfinite],
    attempts: [...old.attempts, ...more.attempts.filter(([, attempt]) => !begun.has(attempt))],
  };
}
