/** The rows of the runs whose curves are shown. */

import type { Source } from "../api/source";
import type { Row } from "../api/types";

let ahead: { of: string; rows: Promise<Row[]> } | null = null;

/** Asks for the rows of a page that is about to be drawn. */
export async function askAhead(source: Source, keys: readonly string[]): Promise<void> {
  ahead = { of: keys.join(), rows: ask(source, keys) };
  await ahead.rows;
}

/** The rows of runs, in the order of the keys; what was asked ahead counts once. */
export function rowsOf(source: Source, keys: readonly string[]): Promise<Row[]> {
  const asked = ahead?.of === keys.join() ? ahead.rows : null;
  ahead = null;
  return asked ?? ask(source, keys);
}

async function ask(source: Source, keys: readonly string[]): Promise<Row[]> {
  const { runs } = await source.runs({ keys: [...keys], limit: keys.length });
  const place = new Map(keys.map((key, k) => [key, k]));
  return runs.sort((a, b) => place.get(a.key)! - place.get(b.key)!);
}
