import { useState } from "preact/hooks";

import { useApp } from "../app";
import { colourAt } from "../colours";

interface Curve {
  label: string;
  precision?: number[];
  recall?: number[];
  fpr?: number[];
  tpr?: number[];
  average_precision?: number | null;
  auc?: number | null;
}

export interface CurveSet {
  labels: string[];
  curves: Curve[];
}

const SIZE = 240;
const LEFT = 34;
const BOTTOM = 30;

/** Precision over recall, or true over false positives, one line for each class. */
export function Curves({ data, kind }: { data: CurveSet; kind: "pr_curve" | "roc_curve" }) {
  const { theme } = useApp();
  const [only, setOnly] = useState<string | null>(null);
  const pr = kind === "pr_curve";
  const [across, up] = pr ? ["recall", "precision"] : ["false positive rate", "true positive rate"];
  const at = (x: number, y: number): string => `${(LEFT + x * SIZE).toFixed(1)},${(8 + (1 - y) * SIZE).toFixed(1)}`;
  const points = (curve: Curve): string => {
    const [x, y] = pr ? [curve.recall ?? [], curve.precision ?? []] : [curve.fpr ?? [], curve.tpr ?? []];
    return x.map((value, i) => at(value, y[i] as number)).join(" ");
  };
  return (
    <div class="curves">
      <svg class="plot" viewBox={`0 0 ${LEFT + SIZE + 8} ${SIZE + BOTTOM + 8}`} role="img" aria-label={`${up} over ${across}`}>
        {[0, 0.25, 0.5, 0.75, 1].map((tick) => (
          <g key={tick}>
            <polyline points={`${at(0, tick)} ${at(1, tick)}`} stroke="var(--grid)" />
            <polyline points={`${at(tick, 0)} ${at(tick, 1)}`} stroke="var(--grid)" />
            <text x={LEFT - 5} y={12 + (1 - tick) * SIZE} text-anchor="end" class="tick">
              {tick}
            </text>
            <text x={LEFT + tick * SIZE} y={SIZE + 22} text-anchor="middle" class="tick">
              {tick}
            </text>
          </g>
        ))}
        {!pr && <polyline points={`${at(0, 0)} ${at(1, 1)}`} stroke="var(--faint)" stroke-dasharray="3 3" />}
        {data.curves.map((curve, i) => (
          <polyline key={curve.label} points={points(curve)} fill="none" stroke={colourAt(i, theme)} stroke-width={only === curve.label ? 2.6 : 1.6} opacity={only && only !== curve.label ? 0.2 : 1} />
        ))}
        <text x={LEFT + SIZE / 2} y={SIZE + 36} text-anchor="middle" class="tick">
          {across}
        </text>
        <text transform={`translate(9 ${8 + SIZE / 2}) rotate(-90)`} text-anchor="middle" class="tick">
          {up}
        </text>
      </svg>
      <ul class="legend">
        {data.curves.map((curve, i) => {
          const area = pr ? curve.average_precision : curve.auc;
          return (
            <li key={curve.label} onPointerEnter={() => setOnly(curve.label)} onPointerLeave={() => setOnly(null)}>
              <i style={{ background: colourAt(i, theme) }} /> {curve.label}
              <span class="soft"> {pr ? "AP" : "AUC"} {area === null || area === undefined ? "–" : area.toFixed(4)}</span>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
