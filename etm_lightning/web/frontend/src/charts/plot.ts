/** One chart on the page: uPlot for axes, scales and selection, our own strokes for what is in between. */

import uPlot from "uplot";

import type { X } from "../api/types";
import { count } from "../numbers/format";
import type { Range } from "../numbers/ranges";
import { SECONDS, tickText } from "./axes";
import type { Line } from "./lines";
import { paint, paintLine, placing, valueAt, type Frame, type Ink } from "./paint";
import { nearestIndex, pointedAt, valuesAt } from "./pointing";

export interface Look {
  readonly x: X;
  readonly logX: boolean;
  readonly logY: boolean;
  readonly ink: Ink;
  readonly text: string;
  readonly grid: string;
  readonly font: string;
}

export interface Shown {
  readonly lines: readonly Line[];
  readonly xRange: Range;
  readonly yRange: Range;
  /** It is being dragged: how fast it follows counts more than how it looks. */
  readonly moving: boolean;
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
  private readonly plot: uPlot;
  private readonly over = document.createElement("canvas");
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
    size: { width: number; height: number },
  ) {
    this.shown = shown;
    this.plot = new uPlot(this.options(size), this.corners(), host);
    this.over.className = "chart-over";
    this.plot.over.append(this.over);
    this.plot.over.addEventListener("mousedown", this.beginPan);
    this.plot.over.addEventListener("mouseleave", () => this.heard.point(null));
    this.plot.over.addEventListener("wheel", this.wheel, { passive: false });
  }

  show(shown: Shown): void {
    this.shown = shown;
    if (this.frameAsked) return;
    this.frameAsked = requestAnimationFrame(() => {
      this.frameAsked = 0;
      this.plot.setData(this.corners());
    });
  }

  resize(width: number, height: number): void {
    if (width !== this.plot.width || height !== this.plot.height) this.plot.setSize({ width, height });
  }

  destroy(): void {
    cancelAnimationFrame(this.frameAsked);
    clearTimeout(this.rest);
    removeEventListener("mousemove", this.movePan);
    removeEventListener("mouseup", this.endPan);
    this.plot.destroy();
  }

  get canvas(): HTMLCanvasElement {
    return this.plot.ctx.canvas;
  }

  get frame(): Frame {
    const { left, top, width, height } = this.plot.bbox;
    return {
      x: { range: this.shown.xRange, log: this.look.logX, from: left, to: left + width },
      y: { range: this.shown.yRange, log: this.look.logY, from: top + height, to: top },
      ratio: this.plot.ctx.canvas.width / this.plot.width,
    };
  }

  /** Shows a cursor at `x`, dots on the lines there, and the line that is pointed at stronger; null shows nothing. */
  mark(x: number | null, strong: string | null): void {
    const { left, top, width, height } = this.plot.bbox;
    const ctx = this.over.getContext("2d")!;
    if (this.over.width !== width || this.over.height !== height) {
      this.over.width = width;
      this.over.height = height;
    } else ctx.clearRect(0, 0, width, height);
    if (x === null && strong === null) return;
    ctx.save();
    ctx.translate(-left, -top);
    const frame = this.frame;
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
    return this.plot.over.offsetLeft;
  }

  get wide(): number {
    return this.plot.over.clientWidth;
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

  private corners(): uPlot.AlignedData {
    return [[...this.shown.xRange], [...this.shown.yRange]];
  }

  private options({ width, height }: { width: number; height: number }): uPlot.Options {
    const { look } = this;
    const axis = { stroke: look.text, font: look.font, grid: { stroke: look.grid, width: 1 }, ticks: { show: false } };
    const time = look.x === "time";
    return {
      width,
      height,
      legend: { show: false },
      padding: [8, 18, 0, 0],
      scales: {
        x: { time, distr: look.logX ? 3 : 1, range: () => [...this.shown.xRange] as [number, number] },
        y: { distr: look.logY ? 3 : 1, range: () => [...this.shown.yRange] as [number, number] },
      },
      axes: [
        {
          ...axis,
          size: 26,
          gap: 4,
          space: 56,
          ...(look.x === "relative" ? { incrs: SECONDS } : {}),
          ...(time ? {} : { values: (_, marks) => marks.map((mark) => (mark === null ? "" : tickText(look.x, mark))) }),
        },
        {
          ...axis,
          gap: 4,
          size: (_, values) => 14 + 6.2 * Math.max(3, ...(values ?? []).map((value) => value?.length ?? 0)),
          space: 32,
          values: (_, marks) => marks.map((mark) => (mark === null ? "" : axisText(mark))),
        },
      ],
      series: [{}, { paths: () => null, points: { show: false } }],
      cursor: {
        x: false,
        y: false,
        points: { show: false },
        drag: { x: true, y: true, uni: 24, setScale: false },
        bind: {
          dblclick: () => () => (this.heard.zoom(null, null), null),
          mousedown: (_, __, handler) => (event) => (event.shiftKey || event.button === 1 ? null : (handler(event), null)),
        },
      },
      hooks: {
        draw: [() => this.draw()],
        setSelect: [(plot) => this.selected(plot)],
        setCursor: [(plot) => this.pointed(plot)],
      },
    };
  }

  private draw(): void {
    const began = performance.now();
    paint(this.plot.ctx, this.shown.lines, this.frame, this.look.ink, this.shown.moving);
    this.drawn = performance.now() - began;
  }

  private selected(plot: uPlot): void {
    const { left, top, width, height } = plot.select;
    if (width < 4 && height < 4) return;
    const frame = this.frame;
    const ratio = frame.ratio;
    const across = (from: number, length: number): Range => [
      valueAt(frame.x, frame.x.from + from * ratio),
      valueAt(frame.x, frame.x.from + (from + length) * ratio),
    ];
    const up = (from: number, length: number): Range => [
      valueAt(frame.y, frame.y.to + (from + length) * ratio),
      valueAt(frame.y, frame.y.to + from * ratio),
    ];
    const [wide, high] = [width < plot.over.clientWidth - 1, height < plot.over.clientHeight - 1];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.heard.zoom(wide && width >= 4 ? across(left, width) : null, high && height >= 4 ? up(top, height) : null);
  }

  private pointed(plot: uPlot): void {
    const { left, top } = plot.cursor;
    if (left === undefined || top === undefined || left < 0 || this.dragging) return;
    const frame = this.frame;
    this.heard.point({ x: valueAt(frame.x, frame.x.from + left * frame.ratio), left, top });
  }

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
    const share = (left - event.clientX) / this.plot.over.clientWidth;
    return moved(range, share, this.look.logX);
  }

  private readonly wheel = (event: WheelEvent): void => {
    if (!event.ctrlKey && !event.altKey && !this.host.closest("dialog")) return;
    event.preventDefault();
    const share = event.offsetX / this.plot.over.clientWidth;
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

const axisText = (value: number): string => (Math.abs(value) >= 1e4 && Math.abs(value) < 1e12 ? count(value) : tidy(value));

function tidy(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e12) ? value.toExponential().replace("+", "") : String(Number(value.toPrecision(12)));
}
