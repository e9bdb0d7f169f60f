import { store, stored, type Theme } from "./theme";

/** How many colours there are; runs beyond them share colours and differ by their dashes. */
export const COLOURS = 16;

const LIGHT = [
  "#0969c9", "#d6690c", "#aa4187", "#1b8a5a", "#4d3da5", "#b3261e", "#2e9cd3", "#81633e",
  "#7a9379", "#c2378f", "#0f7f8c", "#524744", "#9a7b00", "#6d8fd6", "#8b2f5c", "#5f6b1f",
]; // prettier-ignore
const DARK = [
  "#5aa9f7", "#ff9a4a", "#e08ac4", "#4fcf95", "#a390f5", "#ff7b72", "#7fd4f7", "#d0ac7c",
  "#a9c2a6", "#f77fc6", "#4fc3d0", "#b8aeaa", "#dcc04a", "#9db5ee", "#d583a6", "#b3c15a",
]; // prettier-ignore

const KEY = "etm-colours";
const KEPT = 2000;

/**
 * The colour of each run, the same on every page and after a reload: who is shown first takes the colour that
 * fewest have.
 */
export class Colours {
  private readonly slots: Map<string, number>;
  private writing: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.slots = new Map(readSlots());
  }

  /** The slot of a run: 0 to COLOURS - 1 are different colours, later rounds the same with dashes. */
  slot(key: string): number {
    const known = this.slots.get(key);
    if (known !== undefined) return known;
    const slot = this.slots.size;
    this.slots.set(key, slot);
    this.writing ??= setTimeout(() => this.write()); // once for all runs that are new
    return slot;
  }

  private write(): void {
    this.writing = undefined;
    store(KEY, JSON.stringify([...this.slots].slice(-KEPT)));
  }

  of(key: string, theme: Theme): string {
    return colourAt(this.slot(key), theme);
  }

  /** Forgets colours so that these runs get the first, most different ones. */
  anew(keys: string[]): void {
    this.slots.clear();
    for (const key of keys) this.slot(key);
  }
}

export function colourAt(slot: number, theme: Theme): string {
  return (theme === "dark" ? DARK : LIGHT)[slot % COLOURS] as string;
}

/** The dashes of a slot's line, in pixels; empty for a whole line. */
export function dashAt(slot: number): number[] {
  return [[], [6, 3], [2, 3], [8, 3, 2, 3]][Math.floor(slot / COLOURS) % 4] as number[];
}

function readSlots(): [string, number][] {
  try {
    const kept: unknown = JSON.parse(stored(KEY) ?? "[]");
    return Array.isArray(kept) ? (kept as [string, number][]) : [];
  } catch {
    return [];
  }
}
