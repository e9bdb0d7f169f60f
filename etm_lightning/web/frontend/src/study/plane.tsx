/** Trials as points between two axes. */

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";

import { useSize } from "../charts/seen";
import { marksOf, place, type Column } from "./columns";

export interface Spot {
  readonly trial: number;
  readonly kind: "done" | "pruned" | "failed" | "running";
  readonly colour: string;
  readonly text: string;
  /** Where, if not at the values that the columns have. */
  readonly at?: readonly [number, number];
}

/** Points of one category stand a little beside each other, always in the same places. */
const beside = (column: Column, trial: number): number => (column.categories.length ? (((trial * 0.618034) % 1) - 0.5) * 24 : 0);

interface Props {
  x: Column;
  y: Column;
  spots: readonly Spot[];
  chosen: readonly boolean[];
  pointed: number | null;
  point: (trial: number | null) => void;
  open: (trial: number) => void;
  label: string;
  /** Drawn behind the points; `at` gives the place of a point of the two columns. */
  behind?: (at: (x: number | string | null, y: number | string | null) => [number, number] | null) => ComponentChildren;
  best: number | null;
}

const LEFT = 56;
const INSET = 28;
const FOOT = 34;
const HEIGHT = 260;

export function Plane({ x, y, spots, chosen, pointed, point, open, label, behind, best }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const width = useSize(box)?.width ?? 0;
  const across = (share: number) => LEFT + INSET + share * (width - LEFT - 2 * INSET);
  const down = (share: number) => HEIGHT - FOOT - 8 - share * (HEIGHT - FOOT - 20);
  const at = (a: number | string | null, b: number | string | null): [number, number] | null => {
    const [p, q] = [place(x, a), place(y, b)];
    return p === null || q === null ? null : [across(p), down(q)];
  };
  const told = pointed === null ? null : spots.find((spot) => spot.trial === pointed);
  const where = ({ trial, at: own }: Spot) => (own ? at(...own) : at(x.values[trial] ?? null, y.values[trial] ?? null));
  const there = told && where(told);
  return (
    <div class="plane" ref={box}>
      {width > 60 && (
        <svg width={width} height={HEIGHT} role="img" aria-label={label}>
          {marksOf(x, Math.max(2, Math.floor(width / 90))).map((mark) => (
            <g key={mark.at} class="grid" transform={`translate(${across(mark.at)} 0)`}>
              <line y1={4} y2={HEIGHT - FOOT} />
              <text y={HEIGHT - FOOT + 15} text-anchor="middle">
                {mark.text}
              </text>
            </g>
          ))}
          {marksOf(y).map((mark) => (
            <g key={mark.at} class="grid" transform={`translate(0 ${down(mark.at)})`}>
              <line x1={LEFT} x2={width - 8} />
              <text x={LEFT - 6} y={4} text-anchor="end">
                {mark.text}
              </text>
            </g>
          ))}
          <text class="title" x={(LEFT + width) / 2} y={HEIGHT - 3} text-anchor="middle">
            {x.title}
          </text>
          {behind?.(at)}
          {spots.map((spot) => {
            const here = where(spot);
            if (!here) return null;
            const kind = `spot ${spot.kind}${chosen[spot.trial] ? "" : " left"}${spot.trial === best ? " best" : ""}${spot.trial === pointed ? " pointed" : ""}`;
            return (
              <circle
                key={spot.trial}
                class={kind}
                cx={here[0] + beside(x, spot.trial)}
                cy={here[1]}
                r={spot.trial === best || spot.trial === pointed ? 6 : 4}
                fill={spot.kind === "done" ? spot.colour : "none"}
                stroke={spot.colour}
                onPointerEnter={() => point(spot.trial)}
                onPointerLeave={() => point(null)}
                onClick={() => open(spot.trial)}
              />
            );
          })}
        </svg>
      )}
      {told && there && (
        <div class={there[0] > width / 2 ? "readout turned" : "readout"} style={{ left: `${there[0]}px`, top: `${Math.max(0, there[1] - 30)}px` }}>
          {told.text}
        </div>
      )}
    </div>
  );
}
