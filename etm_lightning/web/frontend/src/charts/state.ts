import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { replaceAddress } from "../address";
import { href, readRoute } from "../router";
import { readView, writeView, type View } from "./view";

/** How long what changes many times a second rests before it goes into the address. */
const REST = 250;
const QUICK = ["zoom", "filter"];

/** The view of the charts, which the address holds: read from it and written to it. */
export function useView(): [View, (patch: Partial<View>) => void] {
  const [view, setView] = useState(() => readView(readRoute(location.hash).query));
  const written = useRef("");
  const wait = useRef(0);
  useEffect(() => {
    const moved = () => {
      const { query } = readRoute(location.hash);
      if (writeView(readView(query), new URLSearchParams()).toString() !== written.current) setView(readView(query));
    };
    addEventListener("hashchange", moved);
    return () => {
      removeEventListener("hashchange", moved);
      clearTimeout(wait.current);
    };
  }, []);
  const change = useCallback((patch: Partial<View>) => {
    setView((was) => {
      const now = { ...was, ...patch };
      clearTimeout(wait.current);
      const write = () => {
        written.current = writeView(now, new URLSearchParams()).toString();
        const { path, query } = readRoute(location.hash);
        replaceAddress(href(path, Object.fromEntries(writeView(now, query))));
      };
      if (Object.keys(patch).every((name) => QUICK.includes(name))) wait.current = setTimeout(write, REST) as unknown as number;
      else write();
      return now;
    });
  }, []);
  return [view, change];
}
