import type { ComponentType } from "preact";
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";

import { replaceAddress } from "./address";
import type { Source } from "./api/source";

/** Where the page is: `#/run/<key>?tab=logs` is the path `/run/<key>` and the query `tab=logs`. */
export interface Route {
  path: string;
  query: URLSearchParams;
}

/** A page that the front end has; `:name` in its pattern is a part of the address. */
export interface Page {
  pattern: string;
  title: string;
  /** Shown in the navigation. */
  nav?: boolean;
  view: ComponentType<{ parts: Record<string, string> }>;
  /** Asks what it needs first, before anything is drawn. */
  ahead?: (source: Source, query: URLSearchParams) => Promise<void>;
}

export function readRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  return { path: path || "/", query: new URLSearchParams(query) };
}

/** The page at a route, with the parts of its address. */
export function pageOf(pages: readonly Page[], route: Route): { page: Page; parts: Record<string, string> } | null {
  const path = route.path === "/" ? "/runs" : route.path;
  for (const page of pages) {
    const parts = match(page.pattern, path);
    if (parts) return { page, parts };
  }
  return null;
}

/** The parts of a path that a pattern names, or null if it does not fit. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  const parts: Record<string, string> = {};
  for (const [i, piece] of wanted.entries()) {
    const here = given[i] as string;
    if (piece.startsWith(":")) parts[piece.slice(1)] = decoded(here);
    else if (piece !== here) return null;
  }
  return parts;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

type Given = Record<string, string | string[] | number | null | undefined>;

/** The hash address of a page, `href("/charts", { keys: ["a", "b"] })`; what is empty is left out. */
export function href(path: string, given: Given = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    const text = Array.isArray(value) ? value.join(",") : String(value ?? "");
    if (text) query.set(name, text);
  }
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%2F", "/");
  return `#${path}${text && `?${text}`}`;
}

/** The path of a page with parts, each encoded: `path("run", key)`. */
export const path = (...parts: string[]): string => `/${parts.map(encodeURIComponent).join("/")}`;

/** Goes to an address made by `href`; `replace` leaves no step back. */
export function go(address: string, replace = false): void {
  if (address === location.hash) return;
  if (!replace) {
    location.hash = address;
    return;
  }
  replaceAddress(address);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = (): void => setHash(location.hash);
    changed();
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return useMemo(() => readRoute(hash), [hash]);
}

/**
 * A piece of the view that lives in the address, so that a link or a reload brings it back.
 *
 * @returns its value, and a function that changes it; the fallback is left out of the address
 */
export function useParam(name: string, fallback = ""): [string, (value: string, push?: boolean) => void] {
  const { query } = useRoute();
  const set = useCallback(
    (value: string, push = false): void => {
      const now = readRoute(location.hash);
      if (value === fallback) now.query.delete(name);
      else now.query.set(name, value);
      go(href(now.path, Object.fromEntries(now.query)), !push);
    },
    [name, fallback],
  );
  return [query.get(name) ?? fallback, set];
}

/** A list in a query, comma-separated. */
export const listed = (query: URLSearchParams, name: string): string[] => (query.get(name) ?? "").split(",").filter(Boolean);

/** A list in the address. */
export function useListParam(name: string): [string[], (value: string[], push?: boolean) => void] {
  const [text, set] = useParam(name);
  const list = useMemo(() => text.split(",").filter(Boolean), [text]);
  const setList = useCallback((value: string[], push = false) => set(value.join(","), push), [set]);
  return [list, setList];
}
