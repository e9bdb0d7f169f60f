/** How the trials came to a result: its values in each, epoch by epoch. */

import { useEffect, useMemo, useReducer, useRef } from "preact/hooks";

import { useApp, useLive } from "../app";
import type { Held } from "../charts/held";
import { useSeen } from "../charts/seen";
import { Workspace } from "../charts/workspace";
import { number } from "../numbers/format";
import type { TrialsShown } from "./history";
import { column, kindOf, type Column } from "./columns";
import { Plane } from "./plane";

/** Of so many trials at most, the newest, the curves are drawn, with so many points each. */
const MOST = 200;
const POINTS = 200;

export function Curves({ result, ...shown }: TrialsShown & { result: Column }) {
  const [place, seen] = useSeen<HTMLElement>();
  const left = shown.trials.filter((trial) => trial.key).length - MOST;
  return (
    <section class="study-card" ref={place}>
      <h2>
        Curves {left > 0 && <small class="soft">of the last {MOST} trials</small>}
      </h2>
      {seen && <Drawn {...shown} result={result} />}
    </section>
  );
}

function Drawn({ result, ...shown }: TrialsShown & { result: Column }) {
  const { trials, chosen, colours, best, pointed, point, open } = shown;
  const keys = useMemo(() => trials.flatMap((trial) => trial.key || []).slice(-MOST), [trials]);
  const epochs = useHeld(keys, result.name, "epoch");
  const none = epochs.state === "here" && !epochs.whole.some((one) => one.n || one.later);
  const steps = useHeld(none ? keys : [], result.name, "step");
  const held = none ? steps : epochs;
  const by = useMemo(() => new Map(held.whole.filter((one) => one.n).map((one) => [one.run, one])), [held.whole]);
  const found = trials.map((trial) => (trial.key ? by.get(trial.key) : undefined));
  const ends = <T,>(of: (values: Float64Array) => T, axis: "x" | "y") => found.flatMap((one) => (one ? of(one[axis]) : []));
  const extremes = (values: Float64Array) => [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const wide = column("", "param", null, ends(extremes, "x"));
  const high = column("", "result", null, ends(extremes, "y"));
  if (held.state === "failed") return <p class="soft">{held.error}</p>;
  if (!by.size) return <p class="soft">{held.state === "here" ? `No run has values of ${result.title} over time.` : "…"}</p>;
  const drawn = [...found.keys()].sort((a, b) => Number(a === pointed) - Number(b === pointed) || Number(a === best) - Number(b === best));
  return (
    <Plane
      x={{ ...wide, title: none ? "step" : "epoch", log: false, values: [] }}
      y={{ ...high, title: result.title, values: [] }}
      spots={found.flatMap((one, i) => (one ? [{ trial: i, kind: kindOf(trials[i]!), colour: colours[i]!, text: told(i), at: [one.x.at(-1)!, one.y.at(-1)!] as const }] : []))}
      label={`${result.title} of ${by.size} trials over ${none ? "steps" : "epochs"}`}
      {...{ chosen, best, pointed, point, open }}
      behind={(at) =>
        drawn.map((i) => {
          const one = found[i];
          if (!one) return null;
          const path = Array.from(one.x, (x, k) => at(x, one.y[k]!)!.map((where) => where.toFixed(1)).join(" "));
          const kind = `trial-line ${kindOf(trials[i]!)}${chosen[i] ? "" : " left"}${i === best ? " best" : ""}${i === pointed ? " pointed" : ""}`;
          return <path key={i} class={kind} d={`M${path.join("L")}`} stroke={colours[i]} onPointerEnter={() => point(i)} onPointerLeave={() => point(null)} onClick={() => open(i)} />;
        })
      }
    />
  );

  function told(i: number): string {
    const status = kindOf(trials[i]!) === "done" ? "" : ` (${trials[i]!.status})`;
    return `trial ${trials[i]!.number}: ${number(found[i]!.y.at(-1)!)}${status}`;
  }
}

/** The points of a metric of some runs, as they are read and as they grow. */
function useHeld(keys: string[], label: string, x: "epoch" | "step"): Held {
  const { source } = useApp();
  const [, again] = useReducer((n: number) => n + 1, 0);
  const workspace = useRef<Workspace | null>(null);
  workspace.current ??= new Workspace(source);
  const held = useMemo(() => workspace.current!.hold({ keys, label, x, points: POINTS, superseded: false }), [keys.join(), label, x]);
  useEffect(() => {
    const end = held.hear(() => again(undefined));
    if (keys.length) void held.load();
    return () => {
      end();
      workspace.current!.release(held);
    };
  }, [held]);
  useLive(({ changed }) => workspace.current!.catchUp(new Set(changed)));
  return held;
}
