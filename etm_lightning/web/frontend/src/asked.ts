import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";

/** An answer on its way, here, or refused; after an error the last good answer stays. */
export interface Asked<T> {
  value: T | null;
  error: Error | null;
  loading: boolean;
  again: () => void;
}

/**
 * Asks whenever `what` changes, and again by `again()`; of several questions only the last one's answer counts.
 * The value of another `what` is dropped at once, unless `keep` says that it may be shown meanwhile. `known` is an
 * answer that is here already: it need not be asked for.
 */
export function useAsked<T>(ask: () => Promise<T>, what: unknown[], keep = false, known: T | null = null): Asked<T> {
  const [state, setState] = useState<{ value: T | null; error: Error | null; loading: boolean }>({
    value: known,
    error: null,
    loading: known === null,
  });
  const turn = useRef(0);
  const newest = useRef(ask);
  newest.current = ask;
  const again = useCallback((): void => {
    const mine = ++turn.current;
    setState((was) => ({ ...was, loading: true }));
    newest.current().then(
      (value) => mine === turn.current && setState({ value, error: null, loading: false }),
      (error: unknown) => mine === turn.current && setState((was) => ({ ...was, error: error as Error, loading: false })),
    );
  }, []);
  // not after the next frame: an answer is waited for
  const first = useRef(true);
  useLayoutEffect(() => {
    if (!first.current && !keep) setState({ value: null, error: null, loading: true });
    if (!first.current || known === null) again();
    first.current = false;
    return () => {
      turn.current++;
    };
  }, what);
  return { ...state, again };
}
