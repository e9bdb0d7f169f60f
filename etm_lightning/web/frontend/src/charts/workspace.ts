/** What the charts of a page share: points that are held, and where the pointer is. */

import type { Source } from "../api/source";
import { Held, type Wanted } from "./held";
import { Turns } from "./turns";

/** Where the pointer is, in one chart and so in all. */
export interface Pointed {
  readonly chart: string;
  readonly x: number | null;
  readonly line: string | null;
  /** Moved by a key, so that it is to be read aloud. */
  readonly byKey?: boolean;
}

type Hear = (pointed: Pointed) => void;

/** Points of at most this many charts are kept when these are out of sight. */
const KEPT = 80;

/** So many questions are on their way at a time. */
const AT_ONCE = 2;

export class Workspace {
  private readonly held = new Map<string, Held>();
  private readonly shown = new Map<Held, number>();
  private readonly ears = new Set<Hear>();
  private readonly turns = new Turns(AT_ONCE);
  pointed: Pointed = { chart: "", x: null, line: null };

  constructor(readonly source: Source) {}

  /** Asks for the points of charts that need not be there yet; resolves when some of each are here, or refused. */
  async ahead(wanted: readonly Wanted[]): Promise<void> {
    const held = wanted.map((one) => this.get(one));
    for (const one of held) if (one.state === "new") void one.load();
    const coming = held.filter((one) => one.state === "loading");
    await Promise.all(coming.map((one) => new Promise<void>((here) => one.hear(here))));
  }

  /** The points that a chart wants, from an earlier time if they are still here. */
  hold(wanted: Wanted): Held {
    const held = this.get(wanted);
    this.shown.set(held, (this.shown.get(held) ?? 0) + 1);
    this.forget();
    return held;
  }

  private get(wanted: Wanted): Held {
    const id = JSON.stringify(wanted);
    const held = this.held.get(id) ?? new Held(this.source, wanted, this.turns);
    this.held.delete(id);
    this.held.set(id, held);
    return held;
  }

  /** Says that a chart is out of sight. */
  release(held: Held): void {
    const left = (this.shown.get(held) ?? 1) - 1;
    if (left > 0) {
      this.shown.set(held, left);
      return;
    }
    this.shown.delete(held);
    held.close();
  }

  /** Brings what came since to the charts in sight that show one of these runs. */
  catchUp(changed: ReadonlySet<string>): void {
    for (const held of this.held.values()) {
      if (!held.wanted.keys.some((key) => changed.has(key))) continue;
      if (this.shown.has(held)) void held.catchUp();
      else held.stale = true;
    }
  }

  point(pointed: Pointed): void {
    this.pointed = pointed;
    for (const ear of this.ears) ear(pointed);
  }

  hear(ear: Hear): () => void {
    this.ears.add(ear);
    return () => this.ears.delete(ear);
  }

  private forget(): void {
    for (const [id, held] of this.held) {
      if (this.held.size <= KEPT) return;
      if (!this.shown.has(held)) this.held.delete(id);
    }
  }
}
