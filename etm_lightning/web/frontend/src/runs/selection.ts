import { useCallback, useMemo, useState } from "preact/hooks";

import { useParam } from "../router";

/** More than this many do not fit into an address; they stay chosen until the page is left. */
const IN_ADDRESS = 150;

export interface Selection {
  keys: ReadonlySet<string>;
  set: (keys: Iterable<string>) => void;
  toggle: (keys: string[], on?: boolean) => void;
}

/** Which runs are chosen; a few live in the address. */
export function useSelection(): Selection {
  const [text, setText] = useParam("sel");
  const [large, setLarge] = useState<ReadonlySet<string> | null>(null);
  const keys = useMemo(() => large ?? new Set(text.split(",").filter(Boolean)), [large, text]);
  const set = useCallback(
    (next: Iterable<string>): void => {
      const all = new Set(next);
      setLarge(all.size > IN_ADDRESS ? all : null);
      setText(all.size > IN_ADDRESS ? "" : [...all].join(","));
    },
    [setText],
  );
  const toggle = useCallback(
    (some: string[], on?: boolean): void => {
      const next = new Set(keys);
      const add = on ?? !some.every((key) => next.has(key));
      for (const key of some) {
        if (add) next.add(key);
        else next.delete(key);
      }
      set(next);
    },
    [keys, set],
  );
  return { keys, set, toggle };
}
