import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import { useApp, useLive, useReturn } from "../app";
import type { Row, RunsQuery } from "../api/types";

const PAGE = 100;
/** What the server gives at once at most. */
export const MOST = 10_000;

/** The runs that fit a question, of which only those that are looked at are fetched. */
export interface Rows {
  total: number;
  at: (index: number) => Row | undefined;
  /** Says that the lines from `first` to `last` are on show. */
  want: (first: number, last: number) => void;
  loaded: Row[];
  error: Error | null;
  /** Nothing of this question is here yet. */
  empty: boolean;
  /** What is shown answers the question before. */
  stale: boolean;
  /** All that fit are here. */
  whole: boolean;
  /** Puts a changed row in the place of the one before. */
  put: (row: Row) => void;
  again: () => void;
}

interface Held {
  question: string;
  total: number;
  rows: (Row | undefined)[];
  asked: Set<number>;
  whole: boolean;
}

/**
 * @param query which runs, and in which order
 * @param whole fetch all of them with these columns, because they will be folded; null for a page at a time
 */
export function useRows(query: RunsQuery, whole: string[] | null): Rows {
  const { source } = useApp();
  const question = JSON.stringify([query, whole]);
  const held = useRef<Held>({ question: "", total: 0, rows: [], asked: new Set(), whole: false });
  const newest = useRef({ query, whole, question });
  newest.current = { query, whole, question };
  const seen = useRef<[number, number]>([0, 0]);
  const [error, setError] = useState<Error | null>(null);
  const [version, redraw] = useState(0);

  const load = useCallback(
    (page: number, anew: boolean): void => {
      const { query, whole, question } = newest.current;
      const size = whole ? MOST : PAGE;
      const columns = whole ?? undefined;
      source.runs({ ...query, known: true, offset: page * size, limit: size, columns }).then(
        (answer) => {
          if (question !== newest.current.question) return;
          const now = held.current;
          if (anew || now.question !== question) {
            held.current = { question, total: answer.total, rows: [], asked: new Set([page]), whole: whole !== null };
          }
          const { rows } = held.current;
          held.current.total = answer.total;
          answer.runs.forEach((row, i) => (rows[page * size + i] = row));
          setError(null);
          redraw((n) => n + 1);
        },
        (problem: unknown) => {
          held.current.asked.delete(page);
          if (question === newest.current.question) setError(problem as Error);
        },
      );
    },
    [source],
  );

  const again = useCallback((): void => load(newest.current.whole ? 0 : Math.floor(seen.current[0] / PAGE), true), [load]);

  useEffect(() => {
    setError(null);
    load(0, true);
  }, [question, load]);
  useReturn(again);

  const want = useCallback(
    (first: number, last: number): void => {
      seen.current = [first, last];
      const now = held.current;
      if (newest.current.whole || now.question !== newest.current.question) return;
      for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page++) {
        if (now.asked.has(page) || page * PAGE >= now.total) continue;
        now.asked.add(page);
        load(page, false);
      }
    },
    [load],
  );

  const put = useCallback((row: Row): void => {
    const at = held.current.rows.findIndex((one) => one?.key === row.key);
    if (at < 0) return;
    held.current.rows[at] = row;
    redraw((n) => n + 1);
  }, []);

  const later = useRef(0);
  useLive(({ changed, added, removed }) => {
    if (added.length || removed.length) {
      clearTimeout(later.current);
      later.current = window.setTimeout(again, 300);
      return;
    }
    const here = new Set(held.current.rows.map((row) => row?.key));
    const keys = changed.filter((key) => here.has(key)).slice(0, 500);
    if (keys.length) source.runs({ keys, known: true, limit: keys.length }).then((answer) => answer.runs.forEach(put), () => undefined);
  });
  useEffect(() => () => clearTimeout(later.current), []);

  const now = held.current;
  const loaded = useMemo(() => now.rows.filter((row): row is Row => row !== undefined), [now, version]);
  return {
    total: now.total,
    at: (index) => now.rows[index],
    want,
    loaded,
    error,
    empty: now.question === "",
    stale: now.question !== question,
    whole: now.whole,
    put,
    again,
  };
}

/** The keys of all runs that fit, also those that were not fetched. */
export async function allKeys(source: ReturnType<typeof useApp>["source"], query: RunsQuery): Promise<string[]> {
  return (await source.runs({ ...query, offset: 0, limit: MOST })).runs.map((row) => row.key);
}
