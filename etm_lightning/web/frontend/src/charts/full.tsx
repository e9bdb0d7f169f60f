/** One chart in the whole window, with the values of every line. */

import { useEffect, useRef, useState } from "preact/hooks";

import { useApp } from "../app";
import { number, whole } from "../numbers/format";
import { extent } from "../numbers/ranges";
import { Chart, type ChartProps } from "./chart";
import type { Told } from "./curve";
import { lastOf } from "./lines";
import { visible } from "./paint";
import { Swatch } from "./readout";

export function Full(props: ChartProps) {
  const place = useRef<HTMLDialogElement>(null);
  const [told, setTold] = useState<Told | null>(null);
  useEffect(() => {
    const dialog = place.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog ref={place} class="chart-full" aria-label={props.label} onCancel={(event) => (event.preventDefault(), props.acts.full(""))}>
      <Chart {...props} title={props.label} tall told={setTold} />
      {told && <Values told={told} workspace={props.workspace} />}
    </dialog>
  );
}

function Values({ told, workspace }: { told: Told; workspace: ChartProps["workspace"] }) {
  const { theme } = useApp();
  const rows = told.lines.map((line) => {
    const seen = line.y.subarray(...visible(line, told.x));
    const [low, high] = extent([seen]) ?? [NaN, NaN];
    return { line, last: lastOf(seen), low, high };
  });
  rows.sort((a, b) => b.last - a.last);
  return (
    <div class="chart-values">
      <table>
        <thead>
          <tr>
            <th>Curve</th>
            <th class="num">last</th>
            <th class="num">min</th>
            <th class="num">max</th>
            <th class="num">values</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ line, last, low, high }) => (
            <tr key={line.id} onMouseEnter={() => workspace.point({ chart: "", x: null, line: line.id })}>
              <td class="ellipsis" title={line.label}>
                <Swatch slot={line.slot} theme={theme} /> {line.label}
              </td>
              <td class="num">{number(last)}</td>
              <td class="num">{number(low)}</td>
              <td class="num">{number(high)}</td>
              <td class="num">{whole(line.total)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
