/** The rows of the runs whose curves are shown. */

import type { Source } from "../api/source";
import type { Row } from "../api/types";

/** The rows of runs, in the order of the keys. */
export async function rowsOf(source: Source, keys: readonly string[]): Promise<Row[]> {
  const { runs } = await source.runs({ keys: [...keys], limit: keys.length });
  const place = new Map(keys.map((key, k) => [key, k]));
  return runs.sort((a, b) => place.get(a.key)! - place.get(b.key)!);
}
