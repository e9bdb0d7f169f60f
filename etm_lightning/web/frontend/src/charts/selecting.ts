/** A rectangle that is drawn with the pointer over a chart. */

import type { Range } from "../numbers/ranges";

/** From so many pixels on a drag counts in a direction beside the other one. */
const BOTH = 24;
/** A drag of fewer pixels is none. */
const LEAST = 4;

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** What a drag from one place to another chooses of an area: a stretch of x, of y, or a part in both ways. */
export function boxOf(from: readonly [number, number], to: readonly [number, number], area: readonly [number, number]): Box {
  const inside = (k: 0 | 1): Range => {
    const end = Math.min(area[k], Math.max(0, to[k]));
    return [Math.min(from[k], end), Math.max(from[k], end)];
  };
  const [x, y] = [inside(0), inside(1)];
  const [wide, high] = [x[1] - x[0], y[1] - y[0]];
  const across = wide >= BOTH || (high < BOTH && wide >= high);
  const up = high >= BOTH || !across;
  return {
    left: across ? x[0] : 0,
    width: across ? wide : area[0],
    top: up ? y[0] : 0,
    height: up ? high : area[1],
  };
}

/**
 * Lets a part of an element be chosen by a drag.
 *
 * @param done is told which shares of its width (from the left) and height (from the bottom), null for all of it
 * @returns what ends that
 */
export function selecting(over: HTMLElement, done: (across: Range | null, up: Range | null) => void): () => void {
  const shade = document.createElement("div");
  shade.className = "chart-select";
  let from: [number, number] | null = null;
  let box: Box | null = null;
  const begin = (event: MouseEvent) => {
    if (event.button !== 0 || event.shiftKey) return;
    from = [event.offsetX, event.offsetY];
    addEventListener("mousemove", move);
    addEventListener("mouseup", end);
  };
  const move = (event: MouseEvent) => {
    const { left, top, width, height } = over.getBoundingClientRect();
    box = boxOf(from!, [event.clientX - left, event.clientY - top], [width, height]);
    over.append(shade);
    for (const side of ["left", "top", "width", "height"] as const) shade.style[side] = `${box[side]}px`;
  };
  const stop = () => {
    removeEventListener("mousemove", move);
    removeEventListener("mouseup", end);
    shade.remove();
    from = box = null;
  };
  const end = () => {
    const [chosen, width, height] = [box, over.clientWidth, over.clientHeight];
    stop();
    if (!chosen) return;
    const across = chosen.width < width - 1 && chosen.width >= LEAST;
    const up = chosen.height < height - 1 && chosen.height >= LEAST;
    if (across || up)
      done(
        across ? [chosen.left / width, (chosen.left + chosen.width) / width] : null,
        up ? [1 - (chosen.top + chosen.height) / height, 1 - chosen.top / height] : null,
      );
  };
  over.addEventListener("mousedown", begin);
  return () => {
    over.removeEventListener("mousedown", begin);
    stop();
  };
}
