import { useEffect, useRef, useState } from "preact/hooks";

import { useApp, useLive } from "../app";

export type Spark = (number | null)[];

/** The small curves of some metrics of the runs on show, fetched when scrolling rests, kept until a run changes. */
export function useSparks(metrics: string[], keys: string[]): (metric: string, key: string) => Spark | undefined {
  const { source } = useApp();
  const held = useRef(new Map<string, Spark>());
  const asked = useRef(new Set<string>());
  const [turn, redraw] = useState(0);
  const what = JSON.stringify([metrics, keys]);

  useEffect(() => {
    const timer = setTimeout(() => {
      for (const metric of metrics) {
        const missing = keys.filter((key) => !asked.current.has(name(metric, key)));
        if (missing.length === 0) continue;
        for (const key of missing) asked.current.add(name(metric, key));
        source.sparks(metric, missing).then(
          (sparks) => {
            for (const key of missing) held.current.set(name(metric, key), sparks[key] ?? []);
            redraw((n) => n + 1);
          },
          () => missing.forEach((key) => asked.current.delete(name(metric, key))),
        );
      }
    }, 90);
    return () => clearTimeout(timer);
  }, [source, what, turn]);

  useLive(({ changed }) => {
    const known = new Set(changed);
    const before = asked.current.size;
    // what is drawn stays until its successor is here
    for (const one of asked.current) if (known.has(one.slice(one.indexOf("\n") + 1))) asked.current.delete(one);
    if (asked.current.size < before) redraw((n) => n + 1);
  });

  return (metric, key) => held.current.get(name(metric, key));
}

const name = (metric: string, key: string): string => `${metric}\n${key}`;
