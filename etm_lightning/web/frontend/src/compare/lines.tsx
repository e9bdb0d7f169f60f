/** Rows of the table of runs: one name, a value for each run. */

import type { CompareMetric, Plain } from "../api/types";
import { number, parsed } from "../numbers/format";
import { better, modeOf } from "./modes";

/** A setting or a fact; values other than the baseline's are marked. */
export function ValueLine({ name, values, base }: { name: string; values: readonly Plain[]; base: number }) {
  const texts = values.map(text);
  return (
    <tr>
      <th scope="row" class="ellipsis" title={name}>
        {name}
      </th>
      {texts.map((one, k) => (
        <td key={k} class={one !== texts[base] ? "ellipsis other" : "ellipsis"} title={one}>
          {values[k] === null || values[k] === undefined ? <span class="faint">–</span> : one}
        </td>
      ))}
    </tr>
  );
}

function text(value: Plain | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(8)));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A metric: each run's value, and how far it is from the baseline's. The best one is bold. */
export function MetricLine({ metric, base }: { metric: CompareMetric; base: number }) {
  const mode = modeOf(metric.name, metric.mode);
  const values = metric.values.map((value) => parsed(value ?? "nan"));
  const finite = values.filter(Number.isFinite);
  const best = finite.length > 1 && mode ? Math[mode](...finite) : NaN;
  return (
    <tr>
      <th scope="row" class="ellipsis" title={mode ? `${metric.name}, ${mode === "max" ? "more" : "less"} is better` : metric.name}>
        {metric.name} {mode && <span class="faint">{mode === "max" ? "↑" : "↓"}</span>}
      </th>
      {values.map((value, k) => (
        <td key={k} class={value === best ? "num best" : "num"}>
          {metric.values[k] === null || metric.values[k] === undefined ? <span class="faint">–</span> : number(value)}
          {k !== base && Number.isFinite(value - values[base]!) && <Difference value={value - values[base]!} good={better(value - values[base]!, mode)} />}
        </td>
      ))}
    </tr>
  );
}

export function Difference({ value, good }: { value: number; good: boolean | null }) {
  const kind = good === null ? "faint" : good ? "good" : "bad";
  return <small class={`delta ${kind}`}>{value > 0 ? `+${number(value, 3)}` : value < 0 ? number(value, 3) : "±0"}</small>;
}
