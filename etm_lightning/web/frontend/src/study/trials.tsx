/** The table of trials. */

import { useMemo, useState } from "preact/hooks";

import type { Trial } from "../api/types";
import { duration, number } from "../numbers/format";
import { href, path } from "../router";
import { inOrder } from "../words";
import type { Column } from "./columns";

interface Props {
  trials: readonly Trial[];
  columns: readonly Column[];
  chosen: readonly boolean[];
  best: number | null;
  pointed: number | null;
  point: (trial: number | null) => void;
  picked: ReadonlySet<string>;
  pick: (picked: ReadonlySet<string>) => void;
}

const FIRST = 100;

export function Trials({ trials, columns, chosen, best, pointed, point, picked, pick }: Props) {
  const [sort, setSort] = useState<{ name: string; down: boolean }>({ name: "number", down: true });
  const [most, setMost] = useState(FIRST);
  const order = useMemo(() => sorted(trials, columns, sort).filter((i) => chosen[i]), [trials, columns, sort, chosen]);
  const head = (name: string, title: string, kind = "") => (
    <th scope="col" class={kind} aria-sort={sort.name === name ? (sort.down ? "descending" : "ascending") : undefined}>
      <button type="button" class="plain" onClick={() => setSort({ name, down: sort.name === name ? !sort.down : true })}>
        {title} {sort.name === name && <span aria-hidden="true">{sort.down ? "↓" : "↑"}</span>}
      </button>
    </th>
  );
  const flip = (key: string) => {
    const next = new Set(picked);
    if (!next.delete(key)) next.add(key);
    pick(next);
  };
  return (
    <div class="trials" tabIndex={0} aria-label="Trials">
      <table>
        <thead>
          <tr>
            <th />
            {head("number", "#", "num")}
            {head("status", "Status")}
            {columns.map((column) => head(column.name, column.title, column.categories.length ? "" : "num"))}
            {head("duration", "Time", "num")}
          </tr>
        </thead>
        <tbody>
          {order.slice(0, most).map((i) => {
            const trial = trials[i]!;
            return (
              <tr key={trial.number} class={`${i === best ? "best" : ""} ${i === pointed ? "pointed" : ""}`} onPointerEnter={() => point(i)} onPointerLeave={() => point(null)}>
                <td>{trial.key && <input type="checkbox" checked={picked.has(trial.key)} aria-label={`Choose trial ${trial.number}`} onChange={() => flip(trial.key!)} />}</td>
                <td class="num">{trial.key ? <a href={href(path("run", trial.key))}>{trial.number}</a> : trial.number}</td>
                <td title={trial.reason ?? ""}>
                  <span class={`trial-status ${trial.status}`}>{trial.status}</span>
                  {i === best && <b class="trial-best"> best</b>}
                </td>
                {columns.map((column) => (
                  <td key={column.name} class={column.categories.length ? "ellipsis" : "num"}>
                    {cell(column.values[i] ?? null)}
                  </td>
                ))}
                <td class="num soft">{trial.duration ? duration(trial.duration) : ""}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {order.length > most && (
        <button type="button" onClick={() => setMost(most + 5 * FIRST)}>
          Show {Math.min(5 * FIRST, order.length - most)} of {order.length - most} more
        </button>
      )}
    </div>
  );
}

const cell = (value: number | string | null) => (value === null ? <span class="faint">–</span> : typeof value === "number" ? number(value) : value);

/** The places of the trials in the order of a column; those without a value last. */
export function sorted(trials: readonly Trial[], columns: readonly Column[], sort: { name: string; down: boolean }): number[] {
  const column = columns.find((one) => one.name === sort.name);
  const of = (i: number): number | string | null => {
    if (column) return column.values[i] ?? null;
    if (sort.name === "status") return trials[i]!.status;
    return sort.name === "duration" ? (trials[i]!.duration ?? null) : trials[i]!.number;
  };
  const way = sort.down ? -1 : 1;
  return [...trials.keys()].sort((a, b) => {
    const [p, q] = [of(a), of(b)];
    if (p === null || q === null) return p === q ? 0 : p === null ? 1 : -1;
    return way * (typeof p === "number" && typeof q === "number" ? p - q : inOrder(String(p), String(q)));
  });
}
