import type { Num, Plain, Row } from "./api/types";
import { number, parsed, whole } from "./numbers/format";

/** A value of the API for people; nothing is a dash. */
export function shown(value: Plain | undefined): string {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "number") return number(value);
  if (value === "nan" || value === "inf" || value === "-inf") return number(parsed(value));
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** `1.234 ± 0.02`: the spread with two digits, the mean with as many decimals. */
export function spread(mean: number, sd: number | null): string {
  if (sd === null || !Number.isFinite(sd) || !Number.isFinite(mean)) return shown(mean);
  if (sd === 0) return `${number(mean)} ± 0`;
  const decimals = 1 - Math.floor(Math.log10(sd));
  if (decimals > 7 || decimals < 0) return `${number(mean)} ± ${number(sd, 2)}`;
  return `${mean.toFixed(decimals).replace("-", "−")} ± ${sd.toFixed(decimals)}`;
}

/** What names have in common at their beginning, up to a whole word; nothing where that is short. */
export function sharedStart(names: readonly string[]): string {
  const [first = "", ...others] = names;
  let end = others.length ? first.length : 0;
  for (const other of others) while (!other.startsWith(first.slice(0, end))) end--;
  const words = /^.*[\s_,;/-]/.exec(first.slice(0, end))?.[0] ?? "";
  return words.length > 8 ? words : "";
}

const UNITS: [number, string][] = [
  [31536000, "y"],
  [2592000, "mo"],
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];

/** How long ago a time was: `3 h ago`. */
export function ago(time: number, now = Date.now() / 1000): string {
  const seconds = now - time;
  for (const [size, unit] of UNITS) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  return seconds < 5 ? "just now" : `${Math.floor(seconds)} s ago`;
}

/** Bytes with a unit of 1000. */
export function bytes(size: number | null): string {
  if (size === null) return "–";
  if (size < 1000) return `${size} B`;
  const power = Math.min(4, Math.floor(Math.log10(size) / 3));
  return `${(size / 1000 ** power).toPrecision(3)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

/** Seconds that a run took; one that runs takes until now. */
export function took(row: Row, now = Date.now() / 1000): number | null {
  if (row.status === "running" && row.started !== null) return Math.max(0, now - row.started);
  return row.duration;
}

export const named = (row: Row): string => row.name || row.id;

/** The same where there is little room: without the time at the front of an id, since what follows tells runs apart. */
export const shortly = (row: Row): string => row.name || row.id.replace(/^\d{8}-\d{6}-(?=.)/, "");

export const numeric = (value: Num | null | undefined): number => (value === null || value === undefined ? NaN : parsed(value));

export const many = (n: number, one: string, more = `${one}s`): string => `${whole(n)} ${n === 1 ? one : more}`;

/** The order of names: letters in either case, numbers in them by size. */
export function inOrder(a: string, b: string): number {
  const [p, q] = [pieces(a), pieces(b)];
  for (let k = 0; k < Math.min(p.length, q.length); k++) {
    const [one, other] = [p[k]!, q[k]!];
    const by = k % 2 ? Number(one) - Number(other) : 0;
    if (by) return by;
    if (one !== other) return one < other ? -1 : 1;
  }
  return p.length - q.length || (a < b ? -1 : Number(a > b));
}

const pieces = (name: string): string[] => name.toLowerCase().split(/(\d+)/);
