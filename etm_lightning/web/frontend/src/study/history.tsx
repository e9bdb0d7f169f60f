/** What the trials came to, one after the other, and the best so far. */

import { number } from "../numbers/format";
import { bestSoFar } from "../numbers/pareto";
import type { Trial } from "../api/types";
import { column, kindOf, type Column } from "./columns";
import { Plane, type Spot } from "./plane";

export interface TrialsShown {
  trials: readonly Trial[];
  chosen: readonly boolean[];
  colours: readonly string[];
  best: number | null;
  pointed: number | null;
  point: (trial: number | null) => void;
  open: (trial: number) => void;
}

export function History({ result, ...shown }: TrialsShown & { result: Column | null }) {
  const { trials } = shown;
  if (!result) return null;
  const numbers = column("trial", "param", null, trials.map((trial) => trial.number));
  const x = { ...numbers, log: false };
  const direction = result.direction;
  const finished = trials.map((trial, i) => (kindOf(trial) === "done" ? Number(result.values[i] ?? NaN) : NaN));
  const best = direction ? bestSoFar(finished, direction) : [];
  const last = best.at(-1) ?? NaN;
  return (
    <section class="study-card">
      <h2>
        History {direction && <small class="soft">line: best so far</small>}
      </h2>
      <Plane
        {...shown}
        x={x}
        y={result}
        spots={spots(shown, (i) => `trial ${trials[i]!.number}: ${number(Number(result.values[i] ?? NaN))}`)}
        label={`${result.title} of ${trials.length} trials one after the other${Number.isFinite(last) ? `; best ${number(last)}` : ""}`}
        behind={(at) => {
          const steps = best.flatMap((value, i) => {
            const here = Number.isFinite(value) ? at(trials[i]!.number, value) : null;
            return here ? [here] : [];
          });
          const bent = steps.map(([px, py], i) => (i ? `H${px}V${py}` : `M${px} ${py}`)).join("");
          return <path class="best-line" d={bent} />;
        }}
      />
    </section>
  );
}

/** Trials as points; those that came to nothing have none. */
export function spots({ trials, colours }: Pick<TrialsShown, "trials" | "colours">, text: (i: number) => string): Spot[] {
  return trials.map((trial, i) => ({ trial: i, kind: kindOf(trial), colour: colours[i]!, text: `${text(i)}${kindOf(trial) === "done" ? "" : ` (${trial.status})`}` }));
}
