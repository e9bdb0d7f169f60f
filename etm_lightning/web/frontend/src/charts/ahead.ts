/** What a page of charts shows first, asked for before anything of it is drawn. */

import type { Source } from "../api/source";
import type { Row } from "../api/types";
import { chosen } from "./groups";
import { wantedOf, type Wanted } from "./held";
import { metricsOf } from "./metrics";
import { rowsOf } from "./rows";
import { parts, type Part } from "./sections";
import { readView, type View } from "./view";
import { Workspace } from "./workspace";

/** The rows of some runs, on their way or here, and a workspace that asks for the first chart's curves when they are. */
export class Ahead {
  readonly workspace: Workspace;
  /** The first rows, once they are here: whoever wants newer ones asks for them. */
  here: Row[] | null = null;
  private coming: Promise<Row[]> | null;

  constructor(
    readonly source: Source,
    readonly keys: readonly string[],
  ) {
    this.workspace = new Workspace(source);
    this.coming = rowsOf(source, keys);
  }

  /** The rows of these runs or of others: those that are on their way, once, or newer ones. */
  rows(keys: readonly string[]): Promise<Row[]> {
    const coming = keys.join() === this.keys.join() ? this.coming : null;
    this.coming = null;
    return coming ?? rowsOf(this.source, keys);
  }

  /** Asks for the curves that `query` shows first, as soon as there are rows; resolves when some are here. */
  async curves(query: URLSearchParams): Promise<void> {
    const rows = (this.here = await this.coming!);
    this.coming = null;
    if (ahead !== this) return; // the page did not wait for them, and asks itself
    const view = readView(query);
    const [first] = firstOf(parts(metricsOf(rows), view), rows, view, chosen(view.by, rows) !== "");
    if (first) await this.workspace.ahead([first]);
  }
}

let ahead: Ahead | null = null;

/** Asks for what a page that is about to be drawn shows first; resolves when that can be drawn. */
export function askAhead(source: Source, keys: readonly string[], query: URLSearchParams): Promise<void> {
  ahead = new Ahead(source, keys);
  return ahead.curves(query);
}

/** What was asked ahead for these runs, once; asked for now if nothing was. */
export function takeAhead(source: Source, keys: readonly string[]): Ahead {
  const taken = ahead;
  ahead = null;
  return taken?.keys.join() === keys.join() && taken.source === source ? taken : new Ahead(source, keys);
}

/** So many charts are drawn before anything else: a row of a usual window. */
export const ROW = 3;

/** What the charts of the first row want, as far as they are open. */
export function firstOf(found: readonly Part[], rows: readonly Row[], view: View, together: boolean): Wanted[] {
  const keys = rows.map((row) => row.key);
  const open = found.filter((part) => !part.closed).flatMap((part) => part.metrics);
  return open.slice(0, ROW).map(({ label }) => wantedOf(label, keys, view, { together }));
}
