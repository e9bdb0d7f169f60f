import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";

/** How far from the edge of the window a chart is made ready. */
const AHEAD = 300;

/** Whether an element is in sight or near it. */
export function useSeen<T extends Element>(): [RefObject<T | null>, boolean] {
  const place = useRef<T>(null);
  const [seen, setSeen] = useState(false);
  // where it is at first is looked up at once, an observer tells it a frame later
  useLayoutEffect(() => {
    const { top, bottom } = place.current!.getBoundingClientRect();
    setSeen(top < innerHeight + AHEAD && bottom > -AHEAD);
    const watch = new IntersectionObserver(([entry]) => setSeen(entry!.isIntersecting), {
      rootMargin: `${AHEAD}px`,
      scrollMargin: `${AHEAD}px`, // what scrolls is not the window
    } as IntersectionObserverInit);
    watch.observe(place.current!);
    return () => watch.disconnect();
  }, []);
  return [place, seen];
}

/** Milliseconds in which what was asked for first is mostly here and drawn. */
const SOON = 100;

/** False at first, true a moment later: for what nobody misses so soon. */
export function useLater(): boolean {
  const [later, setLater] = useState(false);
  useEffect(() => {
    const wait = setTimeout(() => setLater(true), SOON);
    return () => clearTimeout(wait);
  }, []);
  return later;
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
