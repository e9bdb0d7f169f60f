/** Groups of replicates side by side: mean ± sd, and the difference to the baseline's group with its interval. */

import type { CompareMetric } from "../api/types";
import type { RunGroup } from "../charts/groups";
import { Swatch } from "../charts/readout";
import { useApp } from "../app";
import { number } from "../numbers/format";
import { extent, padded, type Range } from "../numbers/ranges";
import { Difference } from "./lines";
import { better, modeOf } from "./modes";
import { seedLine, type SeedCell } from "./seeds";

interface Props {
  metrics: readonly CompareMetric[];
  groups: readonly RunGroup[];
}

export function OverSeeds({ metrics, groups }: Props) {
  const { theme } = useApp();
  return (
    <div class="side-by-side">
      <table>
        <thead>
          <tr>
            <th scope="col">Metric</th>
            {groups.map((group, k) => (
              <th key={group.id} scope="col">
                <Swatch slot={k} theme={theme} /> {group.label} {k === 0 && <span class="chip">baseline</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {metrics.map((metric) => (
            <Line key={metric.name} metric={metric} groups={groups} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Line({ metric, groups }: { metric: CompareMetric; groups: readonly RunGroup[] }) {
  const { cells } = seedLine(metric, groups);
  const mode = modeOf(metric.name, metric.mode);
  const whole = extent(cells.map(({ delta, ci }) => [0, delta ?? 0, ...(ci ?? [])])) ?? [0, 0];
  const range = padded(whole, 0.1);
  return (
    <tr>
      <th scope="row" class="ellipsis" title={metric.name}>
        {metric.name} {mode && <span class="faint">{mode === "max" ? "↑" : "↓"}</span>}
      </th>
      {cells.map((cell, k) => (
        <td key={k}>
          {cell.n > 0 ? (
            <>
              <span class="num">{number(cell.mean)}</span> {cell.n > 1 && <span class="soft">± {number(cell.sd, 2)}</span>} <small class="faint">n {cell.n}</small>
              {cell.delta !== null && <Against cell={cell} good={better(cell.delta, mode)} range={range} />}
            </>
          ) : (
            <span class="faint">–</span>
          )}
        </td>
      ))}
    </tr>
  );
}

function Against({ cell, good, range }: { cell: SeedCell; good: boolean | null; range: Range }) {
  const { delta, ci, p, test } = cell;
  const sure = ci !== null && ci[0] * ci[1] > 0;
  const words = [ci && `95 % interval ${number(ci[0], 3)} to ${number(ci[1], 3)}`, p !== null && `p ${p < 0.001 ? "< 0.001" : `= ${number(p, 2)}`}`, test];
  return (
    <div class="against" title={words.filter(Boolean).join(", ")}>
      <Difference value={delta!} good={ci && !sure ? null : good} />
      {ci && (
        <>
          <Forest delta={delta!} ci={ci} range={range} kind={!sure || good === null ? "" : good ? "good" : "bad"} />
          <small class="faint">
            [{number(ci[0], 2)}, {number(ci[1], 2)}]{p !== null && ` p ${p < 0.001 ? "< .001" : number(p, 2)}`}
          </small>
        </>
      )}
    </div>
  );
}

const WIDTH = 90;

/** The interval on a line with its zero, as in a forest plot. */
function Forest({ delta, ci, range, kind }: { delta: number; ci: readonly [number, number]; range: Range; kind: string }) {
  const at = (value: number) => ((value - range[0]) / (range[1] - range[0])) * WIDTH;
  return (
    <svg class={`forest ${kind}`} width={WIDTH} height="14" aria-hidden="true">
      <line class="zero" x1={at(0)} x2={at(0)} y1="0" y2="14" />
      <line x1={at(ci[0])} x2={at(ci[1])} y1="7" y2="7" />
      <circle cx={at(delta)} cy="7" r="3" />
    </svg>
  );
}
