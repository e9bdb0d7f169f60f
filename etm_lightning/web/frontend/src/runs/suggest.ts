import type { Columns } from "../api/types";

export interface Suggestion {
  label: string;
  kind: string;
  /** The whole search with it, and where the caret is then. */
  text: string;
  caret: number;
}

const FIELDS = ["status", "name", "group", "project", "tags", "notes", "created", "duration", "seed", "archived", "attempts"];
const MOST = 8;

/** Names that go on from the word before the caret. */
export function suggestions(text: string, at: number, columns: Columns | null): Suggestion[] {
  const before = text.slice(0, at);
  const word = /[\w./:@-]*$/.exec(before)?.[0] ?? "";
  const quoted = (before.match(/"/g) ?? []).length % 2 === 1;
  if (word.length < 2 || quoted || /^\d/.test(word)) return [];
  const names: [string, string][] = [
    ...(columns?.metrics ?? []).map((one): [string, string] => [one.name, "metric"]),
    ...(columns?.params ?? []).map((one): [string, string] => [one.name, "setting"]),
    ...FIELDS.map((name): [string, string] => [name, "field"]),
  ];
  const wanted = word.toLowerCase();
  const found = names.filter(([name]) => name.toLowerCase().includes(wanted) && name !== word);
  found.sort(([a], [b]) => Number(b.toLowerCase().startsWith(wanted)) - Number(a.toLowerCase().startsWith(wanted)));
  const unique = found.filter(([name], i) => found.findIndex(([other]) => other === name) === i);
  return unique.slice(0, MOST).map(([label, kind]) => {
    const head = before.slice(0, before.length - word.length) + label;
    return { label, kind, text: head + text.slice(at), caret: head.length };
  });
}
