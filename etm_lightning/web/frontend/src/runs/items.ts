import type { Row } from "../api/types";
import type { Fold } from "./fold";

/** Pixels of a line. */
export const HEIGHT = 32;

/** What is edited where it stands. */
export interface Editing {
  field: "tags" | "notes" | "name";
  key: string;
  anchor: DOMRect;
}

/** A line of the table: a run, or several folded into one. */
export type Item =
  | { kind: "row"; id: string; row: Row; inside: boolean }
  | { kind: "fold"; id: string; fold: Fold; open: boolean };

/** The lines that folds give: one of a single run is that run. */
export function items(folds: Fold[], open: ReadonlySet<string>): Item[] {
  return folds.flatMap((fold): Item[] => {
    const [first] = fold.rows;
    if (fold.rows.length === 1 && first) return [{ kind: "row", id: first.key, row: first, inside: false }];
    const isOpen = open.has(fold.id);
    const head: Item = { kind: "fold", id: fold.id, fold, open: isOpen };
    return [head, ...(isOpen ? fold.rows.map((row): Item => ({ kind: "row", id: row.key, row, inside: true })) : [])];
  });
}

export const keysOf = (item: Item): string[] => (item.kind === "row" ? [item.row.key] : item.fold.rows.map((row) => row.key));
