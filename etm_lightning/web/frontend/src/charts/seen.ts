import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";

/** How far from the edge of the window a chart is made ready. */
const AHEAD = 300;

/** Whether an element is in sight or near it; at first what is likely, until an observer tells it after a frame. */
export function useSeen<T extends Element>(likely = false): [RefObject<T | null>, boolean] {
  const place = useRef<T>(null);
  const [seen, setSeen] = useState(likely);
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => setSeen(entry!.isIntersecting), {
      rootMargin: `${AHEAD}px`,
      scrollMargin: `${AHEAD}px`, // what scrolls is not the window
    } as IntersectionObserverInit);
    watch.observe(place.current!);
    return () => watch.disconnect();
  }, []);
  return [place, seen];
}

/** Milliseconds after which nothing is waited for any more. */
const LONG = 400;

/** Until the browser has drawn what is there; a page that nobody sees draws nothing, and goes on soon. */
export function drawn(): Promise<void> {
  return new Promise((done) => {
    setTimeout(done, 100);
    globalThis.requestAnimationFrame?.(() => setTimeout(done));
  });
}

/**
 * How many of some steps are done, each begun when what the one before brought is drawn: for what nobody misses so soon.
 * If they take long all the others are let go at once.
 */
export function useSteps(steps: readonly (() => Promise<void>)[]): number {
  const [done, setDone] = useState(0);
  useEffect(() => {
    let here = true;
    const long = new Promise((wait) => setTimeout(wait, LONG));
    const go = async () => {
      for (const [n, step] of steps.entries()) {
        await Promise.race([step().then(drawn), long]);
        if (!here) return;
        setDone(n + 1);
      }
    };
    void go();
    return () => {
      here = false;
    };
  }, [steps]);
  return done;
}

/** The width and height of an element, as it changes. */
export function useSize<T extends Element>(place: RefObject<T | null>): { width: number; height: number } | null {
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);
  useLayoutEffect(() => {
    const { clientWidth: width, clientHeight: height } = place.current!;
    setSize({ width, height });
    const watch = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      setSize((was) => (was?.width === width && was.height === height ? was : { width, height }));
    });
    watch.observe(place.current!);
    return () => watch.disconnect();
  }, []);
  return size;
}
