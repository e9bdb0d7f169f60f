/** Which runs are one curve. */

import type { Row } from "../api/types";
import { shown } from "../words";

export interface RunGroup {
  readonly id: string;
  readonly label: string;
  readonly keys: readonly string[];
}

/** What `auto` comes to: replicates, if some of the runs are. */
export function chosen(by: string, rows: readonly Row[]): string {
  if (by !== "auto") return by;
  const seen = new Set<string>();
  const twice = rows.some((row) => row.replicates && (seen.has(row.replicates) || !seen.add(row.replicates)));
  return twice ? "replicates" : "";
}

/** Groups of the runs in their order, by "replicates", "group" or `param.<name>`; a run without the value is alone. */
export function grouped(rows: readonly Row[], by: string): RunGroup[] {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const value = valueOf(row, by);
    const id = value === "" ? `run ${row.key}` : value;
    found.set(id, [...(found.get(id) ?? []), row]);
  }
  const groups = [...found].map(([id, members]) => ({ id, members }));
  const differing = by === "replicates" ? differences(groups.map(({ members }) => members[0]!)) : [];
  return groups.map(({ id, members }) => ({ id, label: labelOf(id, members, by, differing), keys: members.map((row) => row.key) }));
}

function valueOf(row: Row, by: string): string {
  if (by === "replicates") return row.replicates;
  if (by === "group") return row.group;
  const value = by.startsWith("param.") ? row.params[by.slice(6)] : undefined;
  return value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}

function labelOf(id: string, members: readonly Row[], by: string, differing: readonly string[]): string {
  const first = members[0]!;
  if (id === `run ${first.key}`) return first.name || first.id;
  if (by === "group") return id;
  if (by.startsWith("param.")) return `${by.slice(6).split(".").at(-1)} = ${id}`;
  const told = differing
    .filter((name) => first.params[name] !== undefined)
    .map((name) => `${name.split(".").at(-1)} ${shown(first.params[name])}`);
  const count = members.length > 1 ? ` × ${members.length}` : "";
  return `${told.slice(0, 4).join(", ") || first.name || first.id}${count}`;
}

const PLACE = /(^|[._])(seed|path|dir|name|id|fold|tags|notes)($|[._])/i;

/** Params in which rows differ, less those that tell of place and seed. */
function differences(rows: readonly Row[]): string[] {
  const names = new Set(rows.flatMap((row) => Object.keys(row.params)));
  return [...names].filter(
    (name) => !PLACE.test(name) && new Set(rows.map((row) => JSON.stringify(row.params[name]))).size > 1,
  );
}
