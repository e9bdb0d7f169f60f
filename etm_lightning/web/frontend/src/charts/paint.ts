/** Draws lines, bands and marks on a canvas. */

import type { Curve } from "../numbers/align";
import { firstFrom } from "../numbers/search";
import type { Range } from "../numbers/ranges";
import type { Line } from "./lines";

/** From values to places on a canvas, in its pixels. */
export interface Scale {
  readonly range: Range;
  readonly log: boolean;
  /** Where the range begins and ends; for y, begins at the bottom. */
  readonly from: number;
  readonly to: number;
}

export interface Frame {
  readonly x: Scale;
  readonly y: Scale;
  /** Canvas pixels in one of the page. */
  readonly ratio: number;
}

export interface Ink {
  readonly colour: (slot: number) => string;
  readonly dash: (slot: number) => number[];
  readonly muted: string;
  readonly bad: string;
}

type Place = (value: number) => number;

/** The place of a value; NaN for one that a log axis cannot show. */
export function placing(scale: Scale): Place {
  const { range, from, to } = scale;
  if (scale.log) {
    const low = Math.log10(range[0]);
    const factor = (to - from) / (Math.log10(range[1]) - low);
    return (value) => (value > 0 ? from + (Math.log10(value) - low) * factor : NaN);
  }
  const factor = (to - from) / (range[1] - range[0]);
  return (value) => from + (value - range[0]) * factor;
}

/** The value at a place. */
export function valueAt(scale: Scale, place: number): number {
  const share = (place - scale.from) / (scale.to - scale.from);
  const [low, high] = scale.range;
  return scale.log ? low * (high / low) ** share : low + share * (high - low);
}

/** The part of a line that can be seen, with one point more on either side. */
export function visible(line: Pick<Line, "x" | "ascending">, range: Range): [number, number] {
  if (!line.ascending) return [0, line.x.length];
  return [Math.max(0, firstFrom(line.x, range[0]) - 1), Math.min(line.x.length, firstFrom(line.x, range[1]) + 1)];
}

/** From so many points on lines are drawn one pixel thick, which browsers do ten times faster than thicker ones. */
const MANY = 5000;

export function paint(ctx: CanvasRenderingContext2D, lines: readonly Line[], frame: Frame, ink: Ink, moving = false): void {
  const { x, y } = frame;
  const points = lines.reduce((sum, line) => sum + line.x.length, 0);
  const thick = points <= MANY ? 1.5 * frame.ratio : moving ? 1 : frame.ratio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(x.from, y.to, x.to - x.from, y.from - y.to);
  ctx.clip();
  for (const line of lines) if (line.low) paintBand(ctx, line, frame, ink.colour(line.slot));
  for (const line of lines) if (line.raw) paintLine(ctx, line, frame, ink, { raw: true, thick: Math.min(thick, frame.ratio) });
  for (const line of lines) paintLine(ctx, line, frame, ink, { thick });
  ctx.restore();
  ctx.save();
  for (const line of lines) paintMarks(ctx, line, frame, ink);
  ctx.restore();
}

function paintBand(ctx: CanvasRenderingContext2D, line: Line, frame: Frame, colour: string): void {
  const [px, py] = [placing(frame.x), placing(frame.y)];
  const [start, end] = visible(line, frame.x.range);
  const floor = frame.y.from + 10;
  ctx.fillStyle = colour;
  ctx.globalAlpha = 0.18;
  ctx.beginPath();
  let begun = false;
  const edge = (values: Float64Array, i: number) => {
    const place = py(values[i]!);
    const down = Number.isNaN(place) ? floor : place;
    if (begun) ctx.lineTo(px(line.x[i]!), down);
    else ctx.moveTo(px(line.x[i]!), down);
    begun = true;
  };
  for (let i = start; i < end; i++) if (!Number.isNaN(line.high![i]!)) edge(line.high!, i);
  for (let i = end - 1; i >= start; i--) if (!Number.isNaN(line.low![i]!)) edge(line.low!, i);
  ctx.closePath();
  ctx.fill();
  ctx.globalAlpha = 1;
}

/** Draws one line, `thick` canvas pixels; `raw` for what lies under a smoothed one. */
export function paintLine(
  ctx: CanvasRenderingContext2D,
  line: Line,
  frame: Frame,
  ink: Ink,
  how: { raw?: boolean; thick: number },
): void {
  const { x, y } = how.raw ? line.raw! : line;
  const [start, end] = visible({ x, ascending: line.ascending }, frame.x.range);
  ctx.strokeStyle = ctx.fillStyle = ink.colour(line.slot);
  ctx.globalAlpha = how.raw ? 0.25 : 1;
  ctx.lineWidth = how.thick;
  ctx.lineJoin = end - start > 400 ? "bevel" : "round";
  ctx.setLineDash(how.raw ? [] : ink.dash(line.slot).map((part) => part * frame.ratio));
  ctx.beginPath();
  trace(ctx, { x, y }, holesOf(line), start, end, frame);
  ctx.stroke();
  ctx.setLineDash([]);
  if (!how.raw && end - start <= (frame.x.to - frame.x.from) / frame.ratio / 12) dots(ctx, line, start, end, frame);
  ctx.globalAlpha = 1;
}

/** Moves along the points; where one was not finite the line has a hole. */
function trace(
  ctx: CanvasRenderingContext2D,
  { x, y }: Curve,
  holes: readonly number[],
  start: number,
  end: number,
  frame: Frame,
): void {
  const [px, py] = [placing(frame.x), placing(frame.y)];
  let hole = firstFrom(holes, start > 0 ? x[start - 1]! : -Infinity);
  let pen = false;
  for (let i = start; i < end; i++) {
    const at = x[i]!;
    while (hole < holes.length && holes[hole]! <= at) {
      if (holes[hole]! < at) pen = false;
      hole++;
    }
    const place = py(y[i]!);
    if (place !== place || y[i]! - y[i]! !== 0) {
      pen = false;
      continue;
    }
    if (pen) ctx.lineTo(px(at), place);
    else ctx.moveTo(px(at), place);
    pen = true;
  }
}

const holesOf = (line: Line): number[] =>
  line.low ? [] : line.marks.filter((mark) => mark.kind !== "attempt").map((mark) => mark.x);

function dots(ctx: CanvasRenderingContext2D, line: Line, start: number, end: number, frame: Frame): void {
  const [px, py] = [placing(frame.x), placing(frame.y)];
  ctx.beginPath();
  for (let i = start; i < end; i++) {
    const [x, y] = [px(line.x[i]!), py(line.y[i]!)];
    if (Number.isNaN(y)) continue;
    ctx.moveTo(x + 2.5 * frame.ratio, y);
    ctx.arc(x, y, 2.5 * frame.ratio, 0, 2 * Math.PI);
  }
  ctx.fill();
}

/** Triangles on the lower edge for NaN, on the upper or lower for infinities; flags where attempts begin. */
function paintMarks(ctx: CanvasRenderingContext2D, line: Line, frame: Frame, ink: Ink): void {
  const px = placing(frame.x);
  const size = 5 * frame.ratio;
  for (const mark of line.marks) {
    const x = px(mark.x);
    if (!(x >= frame.x.from - 1 && x <= frame.x.to + 1)) continue;
    ctx.beginPath();
    if (mark.kind === "attempt") {
      ctx.strokeStyle = ink.muted;
      ctx.lineWidth = frame.ratio;
      ctx.setLineDash([frame.ratio, 3 * frame.ratio]);
      ctx.moveTo(x, frame.y.from);
      ctx.lineTo(x, frame.y.to);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.fillStyle = ink.colour(line.slot);
      ctx.beginPath();
      ctx.moveTo(x, frame.y.to);
      ctx.lineTo(x + 1.4 * size, frame.y.to + 0.7 * size);
      ctx.lineTo(x, frame.y.to + 1.4 * size);
      ctx.fill();
      continue;
    }
    const [edge, way] = mark.kind === "inf" ? [frame.y.to, 1] : [frame.y.from, -1];
    ctx.fillStyle = ink.bad;
    ctx.moveTo(x, edge + way * 2 * size);
    ctx.lineTo(x - size, edge);
    ctx.lineTo(x + size, edge);
    ctx.fill();
    ctx.fillStyle = ink.colour(line.slot);
    ctx.fillRect(x - size, edge - (way > 0 ? 0 : 1.5 * frame.ratio), 2 * size, 1.5 * frame.ratio);
  }
}
