/** Parallel coordinates: an axis per setting and result, a line per trial; a stretch of an axis chooses trials. */

import { useEffect, useRef } from "preact/hooks";

import { useApp } from "../app";
import { useSize } from "../charts/seen";
import type { Range } from "../numbers/ranges";
import { nudged, type Brushes } from "./brush";
import { marksOf, place, type Column } from "./columns";
import { bestColour } from "./shades";

export interface ParallelProps {
  columns: readonly Column[];
  colours: readonly string[];
  chosen: readonly boolean[];
  brushes: Brushes;
  brush: (name: string, range: Range | null) => void;
  /** The trial that is pointed at, and the best one. */
  pointed: number | null;
  point: (trial: number | null) => void;
  best: number | null;
}

const TOP = 34;
const BOTTOM = 14;
const SIDE = 70;
const HEIGHT = 300;

export function Parallel(props: ParallelProps) {
  const { columns } = props;
  const place = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSize(place);
  const { theme } = useApp();
  const width = Math.max(size?.width ?? 0, columns.length * 96);
  const lefts = columns.map((_, k) => SIDE + (columns.length > 1 ? (k / (columns.length - 1)) * (width - 2 * SIDE) : 0));
  useEffect(() => {
    if (size) draw(canvas.current!, props, lefts, width, bestColour(theme));
  });
  const near = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    props.point(nearest(props, lefts, event.clientX - box.left, event.clientY - box.top));
  };
  return (
    <div class="parallel" ref={place}>
      <div class="parallel-inner" style={{ width: `${width}px`, height: `${HEIGHT}px` }} onPointerMove={near} onPointerLeave={() => props.point(null)}>
        <canvas ref={canvas} aria-hidden="true" />
        <svg width={width} height={HEIGHT} role="group" aria-label="Parallel coordinates: an axis per setting; arrow keys move a choice, Shift makes it longer or shorter, Escape ends it">
          {columns.map((column, k) => (
            <Axis key={column.name} column={column} left={lefts[k]!} last={k === columns.length - 1} brush={props.brushes[column.name] ?? null} choose={(range) => props.brush(column.name, range)} />
          ))}
        </svg>
      </div>
    </div>
  );
}

const down = (share: number): number => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
const up = (y: number): number => Math.min(1, Math.max(0, (HEIGHT - BOTTOM - y) / (HEIGHT - TOP - BOTTOM)));

interface AxisProps {
  column: Column;
  left: number;
  last: boolean;
  brush: Range | null;
  choose: (range: Range | null) => void;
}

function Axis({ column, left, last, brush, choose }: AxisProps) {
  const group = useRef<SVGGElement>(null);
  const start = (event: PointerEvent) => {
    const box = group.current!.ownerSVGElement!.getBoundingClientRect();
    const from = up(event.clientY - box.top);
    const area = event.currentTarget as SVGElement;
    area.setPointerCapture(event.pointerId);
    const to = (move: PointerEvent): Range => {
      const share = up(move.clientY - box.top);
      return [Math.min(from, share), Math.max(from, share)];
    };
    const move = (event: PointerEvent) => choose(to(event));
    const end = (event: PointerEvent) => {
      area.removeEventListener("pointermove", move as EventListener);
      const range = to(event);
      choose(range[1] - range[0] < 0.01 ? null : range);
    };
    area.addEventListener("pointermove", move as EventListener);
    area.addEventListener("pointerup", end as EventListener, { once: true });
  };
  const keys = (event: KeyboardEvent) => {
    const way = event.key === "ArrowUp" ? 0.05 : event.key === "ArrowDown" ? -0.05 : 0;
    if (event.key === "Escape" || event.key === "Delete") choose(null);
    else if (way) choose(nudged(brush ?? (way > 0 ? [0.5, 1] : [0, 0.5]), way, event.shiftKey));
    else return;
    event.preventDefault();
  };
  const text = brush ? `from ${Math.round(brush[0] * 100)} to ${Math.round(brush[1] * 100)} percent of its range` : "all";
  return (
    <g class="axis" ref={group} transform={`translate(${left} 0)`} tabindex={0} role="slider" aria-label={column.title} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round((brush?.[1] ?? 1) * 100)} aria-valuetext={text} onKeyDown={keys}>
      <text class={column.role} y={16} text-anchor="middle">
        {short(column.title)}
        <title>{column.title}</title>
      </text>
      <line y1={TOP} y2={HEIGHT - BOTTOM} />
      {marksOf(column).map((mark) => (
        <text key={mark.at} class="mark" x={last ? 8 : -8} y={down(mark.at) + 4} text-anchor={last ? "start" : "end"}>
          {short(mark.text, 12)}
        </text>
      ))}
      <rect class="grab" x={-14} width={28} y={TOP} height={HEIGHT - TOP - BOTTOM} onPointerDown={start} />
      {brush && <rect class="brush" x={-7} width={14} y={down(brush[1])} height={Math.max(2, down(brush[0]) - down(brush[1]))} />}
    </g>
  );
}

const short = (text: string, most = 16): string => (text.length > most ? `…${text.slice(-most + 1)}` : text);

function draw(canvas: HTMLCanvasElement, props: ParallelProps, lefts: readonly number[], width: number, best: string): void {
  const ratio = devicePixelRatio;
  canvas.width = width * ratio;
  canvas.height = HEIGHT * ratio;
  const ctx = canvas.getContext("2d")!;
  ctx.scale(ratio, ratio);
  const { colours, chosen, columns } = props;
  const each = (wanted: boolean, alpha: number, thick: number) => {
    ctx.globalAlpha = alpha;
    ctx.lineWidth = thick;
    for (let i = 0; i < colours.length; i++) {
      if (chosen[i] !== wanted) continue;
      ctx.strokeStyle = colours[i]!;
      trace(ctx, columns, lefts, i);
    }
  };
  const some = chosen.includes(false);
  if (some) each(false, 0.1, 1);
  each(true, colours.length > 300 ? 0.45 : 0.75, 1.5);
  ctx.globalAlpha = 1;
  for (const [trial, colour, thick] of [[props.best, best, 2.5], [props.pointed, getComputedStyle(canvas).color, 2.5]] as const) {
    if (trial === null) continue;
    ctx.strokeStyle = colour;
    ctx.lineWidth = thick;
    trace(ctx, columns, lefts, trial);
  }
}

/** The line of a trial; where it has no value there is a hole. */
function trace(ctx: CanvasRenderingContext2D, columns: readonly Column[], lefts: readonly number[], i: number): void {
  ctx.beginPath();
  let before: [number, number] | null = null;
  columns.forEach((column, k) => {
    const share = place(column, column.values[i] ?? null);
    if (share === null) {
      before = null;
      return;
    }
    const here: [number, number] = [lefts[k]!, down(share)];
    if (before) {
      const middle = (before[0] + here[0]) / 2;
      ctx.bezierCurveTo(middle, before[1], middle, here[1], ...here);
    } else ctx.moveTo(...here);
    before = here;
  });
  ctx.stroke();
}

/** The chosen trial whose line passes nearest, within 12 pixels. */
function nearest({ columns, chosen }: ParallelProps, lefts: readonly number[], x: number, y: number): number | null {
  const k = lefts.findIndex((left, i) => x >= left && x <= (lefts[i + 1] ?? -1));
  if (k < 0) return null;
  const t = (x - lefts[k]!) / (lefts[k + 1]! - lefts[k]!);
  let [found, distance] = [null as number | null, 12];
  for (let i = 0; i < chosen.length; i++) {
    const [a, b] = [place(columns[k]!, columns[k]!.values[i] ?? null), place(columns[k + 1]!, columns[k + 1]!.values[i] ?? null)];
    if (!chosen[i] || a === null || b === null) continue;
    const bent = t * t * (3 - 2 * t); // near what the curve between the axes does
    const away = Math.abs(down(a) + (down(b) - down(a)) * bent - y);
    if (away < distance) [found, distance] = [i, away];
  }
  return found;
}
