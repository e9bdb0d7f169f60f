import { useEffect, useRef, useState } from "preact/hooks";

import { useApp, useLive } from "../app";

export type Spark = (number | null)[];

/** The small curves of some metrics of the runs on show, fetched when scrolling rests, kept until a run changes. */
export function useSparks(metrics: string[], keys: string[]): (metric: string, key: string) => Spark | undefined {
  const { source } = useApp();
  const held = useRef(new Map<string, Spark>());
  const [, redraw] = useState(0);
  const what = JSON.stringify([metrics, keys]);

  useEffect(() => {
    let over = false;
    const timer = setTimeout(() => {
      for (const metric of metrics) {
        const missing = keys.filter((key) => !held.current.has(`${metric}\n${key}`));
        if (missing.length === 0) continue;
        source.sparks(metric, missing).then(
          (sparks) => {
            for (const key of missing) held.current.set(`${metric}\n${key}`, sparks[key] ?? []);
            if (!over) redraw((n) => n + 1);
          },
          () => undefined,
        );
      }
    }, 90);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [source, what, held.current.size]);

  useLive(({ changed }) => {
    let any = false;
    for (const name of [...held.current.keys()]) {
      if (changed.includes(name.slice(name.indexOf("\n") + 1))) any = held.current.delete(name) || any;
    }
    if (any) redraw((n) => n + 1);
  });

  return (metric, key) => held.current.get(`${metric}\n${key}`);
}
