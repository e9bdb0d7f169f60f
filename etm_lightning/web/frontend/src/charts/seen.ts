import { useEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";

/** How far from the edge of the window a chart is made ready. */
const AHEAD = 300;

/** Whether an element is in sight or near it. */
export function useSeen<T extends Element>(): [RefObject<T | null>, boolean] {
  const place = useRef<T>(null);
  const [seen, setSeen] = useState(false);
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

/** The width and height of an element, as it changes. */
export function useSize<T extends Element>(place: RefObject<T | null>): { width: number; height: number } | null {
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      setSize((was) => (was?.width === width && was.height === height ? was : { width, height }));
    });
    watch.observe(place.current!);
    return () => watch.disconnect();
  }, []);
  return size;
}
