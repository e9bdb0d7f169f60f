import { createContext } from "preact";
import { useContext, useEffect, useRef } from "preact/hooks";

import type { Source } from "./api/source";
import type { Changed, Session } from "./api/types";
import type { Colours } from "./colours";
import type { Theme } from "./theme";

/** What every page can reach. */
export interface App {
  source: Source;
  session: Session;
  theme: Theme;
  colours: Colours;
  /** False while the server does not answer. */
  alive: boolean;
  /** Nothing can be edited: the server is read-only, or the page was exported. */
  readonly: boolean;
  /** Says something for a moment, in a corner and to screen readers. */
  say: (text: string, kind?: "good" | "bad") => void;
  live: Live;
}

type Hear = (what: Changed) => void;

/** Passes what the server tells of changed runs on to whoever shows them. */
export class Live {
  private readonly ears = new Set<Hear>();

  tell(what: Changed): void {
    for (const ear of this.ears) ear(what);
  }

  hear(ear: Hear): () => void {
    this.ears.add(ear);
    return () => this.ears.delete(ear);
  }
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error("useApp needs an AppContext around it");
  return app;
}

/** Calls back, with the newest function given, whenever runs change. */
export function useLive(hear: Hear): void {
  const { live } = useApp();
  const newest = useRef(hear);
  newest.current = hear;
  useEffect(() => live.hear((what) => newest.current(what)), [live]);
}

/** Calls back when the server answers again after it was gone: what was asked meanwhile got no answer. */
export function useReturn(back: () => void): void {
  const { alive } = useApp();
  const was = useRef(alive);
  const newest = useRef(back);
  newest.current = back;
  useEffect(() => {
    if (alive && !was.current) newest.current();
    was.current = alive;
  }, [alive]);
}
