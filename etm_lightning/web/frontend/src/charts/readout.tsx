/** What lines have where the pointer is. */

import type { X } from "../api/types";
import { colourAt, dashAt } from "../colours";
import { number } from "../numbers/format";
import type { Theme } from "../theme";
import { told } from "./axes";
import type { Value } from "./pointing";

const MOST = 12;

interface Props {
  x: X;
  at: number;
  values: readonly Value[];
  strong: string | null;
  theme: Theme;
  /** Pixels from the left of the chart; `turned` when it stands to the left of the pointer. */
  left: number;
  turned: boolean;
}

export function Readout({ x, at, values, strong, theme, left, turned }: Props) {
  const rows = chosen(values, strong);
  return (
    <div class={turned ? "readout turned" : "readout"} style={{ left: `${left}px` }}>
      <b>{told(x, snapped(values, at))}</b>
      <table>
        <tbody>
          {rows.map(({ line, index, y }) => (
            <tr key={line.id} class={line.id === strong ? "strong" : undefined}>
              <td>
                <Swatch slot={line.slot} theme={theme} />
              </td>
              <td class="num">{number(y)}</td>
              <td class="faint">{line.low && spread(line.low[index]!, line.high![index]!)}</td>
              <td class="ellipsis">{line.label}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {values.length > rows.length && <small class="faint">and {values.length - rows.length} more</small>}
    </div>
  );
}

/** The highest first; of too many those around the one that is pointed at. */
function chosen(values: readonly Value[], strong: string | null): Value[] {
  const sorted = [...values].sort((a, b) => b.y - a.y);
  if (sorted.length <= MOST) return sorted;
  const at = Math.max(0, sorted.findIndex((value) => value.line.id === strong));
  const first = Math.min(Math.max(0, at - MOST / 2), sorted.length - MOST);
  return sorted.slice(first, first + MOST);
}

/** The logged x that is nearest to the pointer. */
const snapped = (values: readonly Value[], at: number): number =>
  values.reduce((best, { x }) => (Math.abs(x - at) < Math.abs(best - at) ? x : best), values[0]?.x ?? at);

const spread = (low: number, high: number): string => `${number(low, 3)} … ${number(high, 3)}`;

/** A piece of a line, as it is drawn. */
export function Swatch({ slot, theme }: { slot: number; theme: Theme }) {
  return (
    <svg class="swatch" width="16" height="8" aria-hidden="true">
      <line x1="1" y1="4" x2="15" y2="4" stroke={colourAt(slot, theme)} stroke-width="3" stroke-dasharray={dashAt(slot).join(" ")} stroke-linecap="round" />
    </svg>
  );
}
