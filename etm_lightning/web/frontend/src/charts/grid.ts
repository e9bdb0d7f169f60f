/** What stands around the lines of a chart: where its marks are, how much room their texts take, and their drawing. */

import type { X } from "../api/types";
import { count } from "../numbers/format";
import type { Range } from "../numbers/ranges";
import { clockTicks, logTicks, ticks, ticksOf } from "../numbers/ticks";
import { clockText, SECONDS, tickText } from "./axes";
import { placing, type Frame } from "./paint";

export interface Look {
  readonly x: X;
  readonly logX: boolean;
  readonly logY: boolean;
  readonly text: string;
  readonly grid: string;
  readonly font: string;
}

interface Mark {
  readonly at: number;
  readonly text: string;
}

export interface Grid {
  readonly frame: Frame;
  readonly x: readonly Mark[];
  readonly y: readonly Mark[];
}

/** Pixels of the page above, right of and below the lines, and between an axis and its texts. */
const [TOP, RIGHT, BOTTOM, GAP] = [8, 18, 26, 4];
/** The least distance of marks on either axis. */
const [WIDE, HIGH] = [56, 32];

/** The marks of both axes, and what place they leave to the lines. */
export function gridOf(look: Look, x: Range, y: Range, size: { width: number; height: number }, ratio: number): Grid {
  const height = Math.max(1, size.height - TOP - BOTTOM);
  const up = yMarks(look, y, Math.max(2, Math.floor(height / HIGH)));
  const left = Math.round(14 + 6.2 * Math.max(3, ...up.map((mark) => mark.text.length)));
  const width = Math.max(1, size.width - left - RIGHT);
  const along = xMarks(look, x, Math.max(2, Math.floor(width / WIDE)));
  const place = (value: number) => Math.round(value * ratio);
  return {
    frame: {
      x: { range: x, log: look.logX, from: place(left), to: place(left + width) },
      y: { range: y, log: look.logY, from: place(TOP + height), to: place(TOP) },
      ratio,
    },
    x: along,
    y: up,
  };
}

function yMarks(look: Look, range: Range, most: number): Mark[] {
  return (look.logY ? logTicks : ticks)(range, most).map((at) => ({ at, text: axisText(at) }));
}

function xMarks({ x, logX }: Look, range: Range, most: number): Mark[] {
  if (x === "time") {
    const { step, at } = clockTicks(range, most);
    return at.map((one, k) => ({ at: one, text: clockText(one, at[k - 1], step) }));
  }
  const found = logX ? logTicks(range, most) : x === "relative" ? ticksOf(SECONDS, range, most) : ticks(range, most);
  return found.map((at) => ({ at, text: tickText(x, at) }));
}

export function paintGrid(ctx: CanvasRenderingContext2D, { frame, x, y }: Grid, look: Look): void {
  const { ratio } = frame;
  const [px, py] = [placing(frame.x), placing(frame.y)];
  const half = (Math.round(ratio) % 2) / 2; // lines of whole pixels
  const lines = new Path2D();
  ctx.font = look.font.replace(/^(\d+)px/, (_, size) => `${Number(size) * ratio}px`);
  ctx.fillStyle = look.text;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (const mark of x) {
    const place = Math.round(px(mark.at)) - half;
    lines.moveTo(place, frame.y.to);
    lines.lineTo(place, frame.y.from);
    ctx.fillText(mark.text, place, frame.y.from + GAP * ratio);
  }
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const mark of y) {
    const place = Math.round(py(mark.at)) - half;
    lines.moveTo(frame.x.from, place);
    lines.lineTo(frame.x.to, place);
    ctx.fillText(mark.text, frame.x.from - GAP * ratio, place);
  }
  ctx.strokeStyle = look.grid;
  ctx.lineWidth = Math.round(ratio);
  ctx.stroke(lines);
}

export const axisText = (value: number): string => (Math.abs(value) >= 1e4 && Math.abs(value) < 1e12 ? count(value) : tidy(value));

function tidy(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e12) ? value.toExponential().replace("+", "") : String(Number(value.toPrecision(12)));
}
