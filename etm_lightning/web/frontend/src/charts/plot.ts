/** One chart on the page: a canvas, and what the pointer does on it. */

import type { Range } from "../numbers/ranges";
import { gridOf, paintGrid, type Grid, type Look as Axes } from "./grid";
import type { Line } from "./lines";
import { paint, paintLine, placing, valueAt, type Frame, type Ink } from "./paint";
import { nearestIndex, pointedAt, valuesAt } from "./pointing";
import { selecting } from "./selecting";

export interface Look extends Axes {
  readonly ink: Ink;
}

export interface Shown {
  readonly lines: readonly Line[];
  readonly xRange: Range;
  readonly yRange: Range;
  /** It is being dragged: how fast it follows counts more than how it looks. */
  readonly moving: boolean;
}

/** In pixels of the page. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Heard {
  /** The pointer is at a value of x and a place of y in 0 to 1 from the bottom; null when it left. */
  point: (at: { x: number; left: number; top: number } | null) => void;
  /** A part was chosen, null for all. */
  zoom: (x: Range | null, y: Range | null) => void;
  /** x was moved by a drag; comes many times. */
  pan: (x: Range, done: boolean) => void;
}

/** How long the wheel rests before the zoom counts as done, in milliseconds. */
const REST = 160;

export class Plot {
  readonly canvas = document.createElement("canvas");
  /** Lies over the lines, where the pointer acts. */
  private readonly over = document.createElement("div");
  private readonly marks = document.createElement("canvas");
  private readonly endSelecting: () => void;
  private grid!: Grid;
  private shown: Shown;
  private dragging: { left: number; range: Range } | null = null;
  private frameAsked = 0;
  private wheeled: Range | null = null;
  private rest = 0;
  /** How long the last full drawing took, in milliseconds. */
  drawn = 0;

  constructor(
    private readonly host: HTMLElement,
    private readonly look: Look,
    shown: Shown,
    private readonly heard: Heard,
    private size: Size,
  ) {
    this.shown = shown;
    this.canvas.className = "chart-lines";
    this.over.className = "chart-over";
    this.marks.width = 0;
    this.over.append(this.marks);
    this.over.addEventListener("mousedown", this.beginPan);
    this.over.addEventListener("mousemove", this.pointed);
    this.over.addEventListener("mouseleave", () => this.heard.point(null));
    this.over.addEventListener("dblclick", () => this.heard.zoom(null, null));
    this.over.addEventListener("wheel", this.wheel, { passive: false });
    this.endSelecting = selecting(this.over, (across, up) => this.selected(across, up));
    host.append(this.canvas, this.over);
    this.draw();
  }

  show(shown: Shown): void {
    if (shown === this.shown) return;
    this.shown = shown;
    this.frameAsked ||= requestAnimationFrame(() => this.draw());
  }

  resize(size: Size): void {
    if (size.width === this.size.width && size.height === this.size.height) return;
    this.size = size;
    this.draw();
  }

  destroy(): void {
    cancelAnimationFrame(this.frameAsked);
    clearTimeout(this.rest);
    removeEventListener("mousemove", this.movePan);
    removeEventListener("mouseup", this.endPan);
    this.endSelecting();
    this.canvas.remove();
    this.over.remove();
  }

  get frame(): Frame {
    return this.grid.frame;
  }

  /** Shows a cursor at `x`, dots on the lines there, and the line that is pointed at stronger; null shows nothing. */
  mark(x: number | null, strong: string | null): void {
    if (x === null && strong === null && !this.marks.width) return;
    const frame = this.frame;
    const [width, height] = [frame.x.to - frame.x.from, frame.y.from - frame.y.to];
    const ctx = this.marks.getContext("2d")!;
    if (this.marks.width !== width || this.marks.height !== height) {
      this.marks.width = width;
      this.marks.height = height;
    } else ctx.clearRect(0, 0, width, height);
    if (x === null && strong === null) return;
    ctx.save();
    ctx.translate(-frame.x.from, -frame.y.to);
    const line = this.shown.lines.find((one) => one.id === strong);
    if (line) paintLine(ctx, line, frame, this.look.ink, { thick: 2.5 * frame.ratio });
    if (x !== null) this.markAt(ctx, frame, x);
    ctx.restore();
  }

  /** Where x is in pixels of the plotting area, for a tooltip. */
  leftOf(x: number): number {
    const frame = this.frame;
    return (placing(frame.x)(x) - frame.x.from) / frame.ratio;
  }

  /** The line under a place, by value of x and pixels from the top. */
  under(x: number, top: number): string | null {
    return pointedAt(valuesAt(this.shown.lines, x), this.frame, top);
  }

  /** Pixels from the left of the chart to its plotting area, and how wide that is. */
  get offset(): number {
    return this.frame.x.from / this.frame.ratio;
  }

  get wide(): number {
    return (this.frame.x.to - this.frame.x.from) / this.frame.ratio;
  }

  private markAt(ctx: CanvasRenderingContext2D, frame: Frame, x: number): void {
    const [px, py] = [placing(frame.x), placing(frame.y)];
    const place = Math.round(px(x)) + 0.5;
    ctx.strokeStyle = this.look.ink.muted;
    ctx.lineWidth = frame.ratio;
    ctx.setLineDash([4 * frame.ratio, 3 * frame.ratio]);
    ctx.beginPath();
    ctx.moveTo(place, frame.y.to);
    ctx.lineTo(place, frame.y.from);
    ctx.stroke();
    ctx.setLineDash([]);
    if (this.shown.lines.length > 20) return;
    for (const line of this.shown.lines) {
      const i = nearestIndex(line, x);
      if (i < 0) continue;
      ctx.fillStyle = this.look.ink.colour(line.slot);
      ctx.beginPath();
      ctx.arc(px(line.x[i]!), py(line.y[i]!), 3.5 * frame.ratio, 0, 2 * Math.PI);
      ctx.fill();
    }
  }

  private draw(): void {
    cancelAnimationFrame(this.frameAsked);
    this.frameAsked = 0;
    const began = performance.now();
    const { width, height } = this.size;
    const ratio = devicePixelRatio || 1;
    this.grid = gridOf(this.look, this.shown.xRange, this.shown.yRange, this.size, ratio);
    const { frame } = this;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    const ctx = this.canvas.getContext("2d")!;
    if (this.canvas.width !== wide || this.canvas.height !== high) {
      this.canvas.width = wide;
      this.canvas.height = high;
    } else ctx.clearRect(0, 0, wide, high);
    const place = this.over.style;
    place.left = `${frame.x.from / ratio}px`;
    place.top = `${frame.y.to / ratio}px`;
    place.width = `${(frame.x.to - frame.x.from) / ratio}px`;
    place.height = `${(frame.y.from - frame.y.to) / ratio}px`;
    paintGrid(ctx, this.grid, this.look);
    paint(ctx, this.shown.lines, frame, this.look.ink, this.shown.moving);
    this.drawn = performance.now() - began;
  }

  /** A part was drawn: shares of width and height, null for all of it. */
  private selected(across: Range | null, up: Range | null): void {
    const { x, y } = this.frame;
    const value = (scale: typeof x, share: number) => valueAt(scale, scale.from + share * (scale.to - scale.from));
    this.heard.zoom(across && [value(x, across[0]), value(x, across[1])], up && [value(y, up[0]), value(y, up[1])]);
  }

  private readonly pointed = (event: MouseEvent): void => {
    if (this.dragging) return;
    const { offsetX: left, offsetY: top } = event;
    this.heard.point({ x: valueAt(this.frame.x, this.frame.x.from + left * this.frame.ratio), left, top });
  };

  private readonly beginPan = (event: MouseEvent): void => {
    if (!event.shiftKey && event.button !== 1) return;
    event.preventDefault();
    this.dragging = { left: event.clientX, range: this.shown.xRange };
    this.heard.point(null);
    addEventListener("mousemove", this.movePan);
    addEventListener("mouseup", this.endPan);
  };

  private readonly movePan = (event: MouseEvent): void => this.heard.pan(this.panned(event), false);

  private readonly endPan = (event: MouseEvent): void => {
    removeEventListener("mousemove", this.movePan);
    removeEventListener("mouseup", this.endPan);
    this.heard.pan(this.panned(event), true);
    this.dragging = null;
  };

  private panned(event: MouseEvent): Range {
    const { left, range } = this.dragging!;
    const share = (left - event.clientX) / this.wide;
    return moved(range, share, this.look.logX);
  }

  private readonly wheel = (event: WheelEvent): void => {
    if (!event.ctrlKey && !event.altKey && !this.host.closest("dialog")) return;
    event.preventDefault();
    const share = event.offsetX / this.wide;
    this.wheeled = scaled(this.wheeled ?? this.shown.xRange, Math.exp(event.deltaY / 400), share, this.look.logX);
    this.heard.pan(this.wheeled, false);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      const range = this.wheeled!;
      this.wheeled = null;
      this.heard.pan(range, true);
    }, REST) as unknown as number;
  };
}

/** A range moved by a share of its length. */
export function moved([low, high]: Range, share: number, log: boolean): Range {
  if (log) {
    const factor = (high / low) ** share;
    return [low * factor, high * factor];
  }
  const by = (high - low) * share;
  return [low + by, high + by];
}

/** A range made longer by a factor around the place `share` of it. */
export function scaled([low, high]: Range, factor: number, share: number, log: boolean): Range {
  if (log) {
    const [a, b] = scaled([Math.log(low), Math.log(high)], factor, share, false);
    return [Math.exp(a), Math.exp(b)];
  }
  const centre = low + (high - low) * share;
  return [centre - (centre - low) * factor, centre + (high - centre) * factor];
}
