/** Metrics of one value per run, as those of a test: the values beside each other. */

import { colourAt } from "../colours";
import { number } from "../numbers/format";
import { extent, padded } from "../numbers/ranges";
import type { Theme } from "../theme";
import { lastOf, type Line } from "./lines";

export function Dots({ lines, theme }: { lines: readonly Line[]; theme: Theme }) {
  const rows = lines.map((line) => ({ line, value: lastOf(line.y), low: line.low && lastOf(line.low), high: line.high && lastOf(line.high) }));
  if (rows.length === 1 && rows[0]!.low === null) return <p class="one-value num">{number(rows[0]!.value)}</p>;
  const range = extent(rows.map((row) => [row.value, row.low ?? row.value, row.high ?? row.value]));
  const [from, to] = padded(range ?? [0, 1], 0.08);
  const at = (value: number) => `${((value - from) / (to - from)) * 100}%`;
  return (
    <div class="dot-rows">
      {rows.map(({ line, value, low, high }) => (
        <div key={line.id} class="dot-row">
          <span class="ellipsis" title={line.label}>
            {line.label}
          </span>
          <i class="dot-rail">
            {low !== null && high !== null && (
              <i class="dot-span" style={{ left: at(low), right: `calc(100% - ${at(high)})`, background: colourAt(line.slot, theme) }} />
            )}
            {Number.isFinite(value) && <i class="dot" style={{ left: at(value), background: colourAt(line.slot, theme) }} />}
          </i>
          <span class="num">{number(value)}</span>
        </div>
      ))}
    </div>
  );
}
