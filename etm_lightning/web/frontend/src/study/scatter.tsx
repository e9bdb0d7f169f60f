/** One setting or result against another; where both are results with a better side, the Pareto front. */

import { number } from "../numbers/format";
import { paretoFront, type Direction } from "../numbers/pareto";
import { modeOf } from "../compare/modes";
import { useParam } from "../router";
import { kindOf, type Column } from "./columns";
import { spots, type TrialsShown } from "./history";
import { influences } from "./importance";
import { Plane } from "./plane";

interface Props extends TrialsShown {
  columns: readonly Column[];
  result: Column | null;
  objectives: readonly string[];
}

export function Scatter({ columns, result, objectives, ...shown }: Props) {
  const [xName, setX] = useParam("sx");
  const [yName, setY] = useParam("sy");
  const named = (name: string) => columns.find((column) => column.name === name);
  const params = columns.filter((column) => column.role === "param");
  const strongest = result ? influences(params.filter((param) => !param.categories.length), result)[0]?.name : undefined;
  const y = named(yName) ?? result ?? columns[0];
  const x = named(xName) ?? (objectives.length > 1 ? named(objectives[1]!) : undefined) ?? named(strongest ?? "") ?? columns.find((column) => column !== y);
  if (!x || !y) return null;
  const ways = [directed(x), directed(y)] as const;
  const front = x !== y && ways[0] && ways[1] ? frontOf(shown, x, y, [ways[0], ways[1]]) : [];
  const { trials } = shown;
  const value = (column: Column, i: number) => {
    const one = column.values[i] ?? null;
    return typeof one === "number" ? number(one) : (one ?? "–");
  };
  return (
    <section class="study-card wide">
      <h2>
        Scatter
        {front.length > 0 && <small class="soft">{front.length} on the Pareto front</small>}
        <span class="spring" />
        <Pick name="x" value={x.name} columns={columns} choose={setX} />
        <Pick name="y" value={y.name} columns={columns} choose={setY} />
      </h2>
      <Plane
        {...shown}
        x={x}
        y={y}
        spots={spots(shown, (i) => `trial ${trials[i]!.number}: ${x.title} ${value(x, i)}, ${y.title} ${value(y, i)}`)}
        label={`${y.title} against ${x.title}${front.length ? `; Pareto front: trials ${front.map((i) => trials[i]!.number).join(", ")}` : ""}`}
        behind={(at) => {
          const places = front.flatMap((i) => {
            const where = at(x.values[i] ?? null, y.values[i] ?? null);
            return where ? [where] : [];
          });
          if (places.length < 2) return null;
          places.sort((a, b) => a[0] - b[0]);
          return <path class="front-line" d={places.map(([px, py], i) => `${i ? "L" : "M"}${px} ${py}`).join("")} />;
        }}
      />
    </section>
  );
}

const directed = (column: Column): Direction | null => (column.role === "result" ? (column.direction ?? modeOf(column.name, null)) : null);

function frontOf({ trials }: TrialsShown, x: Column, y: Column, ways: [Direction, Direction]): number[] {
  const rows = trials.map((trial, i) => (kindOf(trial) === "done" ? [x, y].map((column) => Number(column.values[i] ?? NaN)) : [NaN, NaN]));
  return paretoFront(rows, ways);
}

function Pick({ name, value, columns, choose }: { name: string; value: string; columns: readonly Column[]; choose: (name: string) => void }) {
  return (
    <label class="choice">
      <span>{name}</span>
      <select value={value} onChange={(event) => choose(event.currentTarget.value)}>
        {columns.map((column) => (
          <option key={column.name} value={column.name}>
            {column.title}
          </option>
        ))}
      </select>
    </label>
  );
}
