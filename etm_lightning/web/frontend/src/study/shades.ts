/** One hue from faint to strong: the better a trial, the stronger. It reads without colour vision, on light and dark. */

import type { Theme } from "../theme";
import type { Column } from "./columns";
import { place } from "./columns";

const ENDS = { light: [[196, 214, 232], [8, 60, 125]], dark: [[50, 68, 88], [150, 215, 255]] } as const;
const BEST = { light: "#d6690c", dark: "#ff9a4a" } as const;
const NONE = { light: "#c9ced4", dark: "#454d56" } as const;

export const bestColour = (theme: Theme): string => BEST[theme];

/** The colour of each trial by its result: 1 is best. */
export function shades(result: Column | null, n: number, theme: Theme): string[] {
  const [from, to] = ENDS[theme];
  return Array.from({ length: n }, (_, i) => {
    const share = goodness(result, i);
    if (share === null) return NONE[theme];
    const mixed = from.map((part, k) => Math.round(part + (to[k]! - part) * share));
    return `rgb(${mixed.join(" ")})`;
  });
}

/** How good a trial is: from 0, the worst, to 1. */
export function goodness(result: Column | null, i: number): number | null {
  if (!result) return 0.6;
  const value = result.values[i];
  if (typeof value !== "number") return null;
  const share = place(result, value)!;
  return result.direction === "min" ? 1 - share : share;
}
