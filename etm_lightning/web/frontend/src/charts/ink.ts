/** Colours of the page for a canvas, which knows no style sheet. */

import { colourAt, dashAt } from "../colours";
import type { Theme } from "../theme";
import type { Ink } from "./paint";

export interface Paper {
  readonly ink: Ink;
  readonly text: string;
  readonly grid: string;
  readonly paper: string;
  readonly font: string;
}

/** Reads the style sheet's colours. Lines of groups take the first, most different colours, whole. */
export function paperOf(theme: Theme): Paper {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    ink: { colour: (slot) => colourAt(slot, theme), dash: dashAt, muted: colour("--faint"), bad: colour("--bad") },
    text: colour("--soft"),
    grid: colour("--grid"),
    paper: colour("--paper"),
    font: `11px ${colour("--text") || "sans-serif"}`,
  };
}
