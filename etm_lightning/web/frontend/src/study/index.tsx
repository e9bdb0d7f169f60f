import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { useApp, useLive } from "../app";
import type { Row, Study } from "../api/types";
import { useAsked } from "../asked";
import { number } from "../numbers/format";
import { go, href, path, useParam } from "../router";
import { Shown } from "../shell/states";
import { readBrushes, within, writeBrushes } from "./brush";
import { columnsOf, directionOf, kindOf, objectivesOf, type Column } from "./columns";
import { Curves } from "./curves";
import { History } from "./history";
import { Importance } from "./bars";
import { Parallel } from "./parallel";
import { Scatter } from "./scatter";
import { shades } from "./shades";
import { Trials } from "./trials";
import "../charts/charts.css";
import "./study.css";

/** How long the study of a running sweep rests before it is asked for again. */
const REST = 2000;

/** `#/group/<store>/<project>/<group>` */
export function StudyPage({ parts }: { parts: Record<string, string> }) {
  const { source } = useApp();
  const { store = "", project = "", group = "" } = parts;
  const asked = useAsked(
    async () => {
      const [study, { runs }] = await Promise.all([source.study(store, project, group), source.runs({ store, project, group, limit: 5000 })]);
      return { study, rows: runs };
    },
    [source, store, project, group],
    true,
  );
  const wait = useRef(0);
  const keys = useRef(new Set<string>());
  keys.current = new Set(asked.value?.rows.map((row) => row.key));
  useLive(({ changed, added }) => {
    if (!wait.current && (added.length || changed.some((key) => keys.current.has(key))))
      wait.current = setTimeout(() => ((wait.current = 0), asked.again()), REST) as unknown as number;
  });
  useEffect(() => () => clearTimeout(wait.current), []);
  return <Shown asked={asked}>{({ study, rows }) => <Board study={study} rows={rows} />}</Shown>;
}

function Board({ study, rows }: { study: Study; rows: readonly Row[] }) {
  const { theme } = useApp();
  const [brushed, setBrushed] = useParam("brush");
  const [by, setBy] = useParam("by");
  const [pointed, point] = useState<number | null>(null);
  const [picked, pick] = useState<ReadonlySet<string>>(new Set());
  const { trials } = study;
  const columns = useMemo(() => columnsOf(study, rows), [study, rows]);
  const results = columns.filter((column) => column.role === "result");
  const result = results.find((column) => column.name === by) ?? results[0] ?? null;
  const params = columns.filter((column) => column.role === "param");
  const objectives = objectivesOf(study).map((objective) => objective.name);
  const axes = [...params, ...results.filter((column) => column === result || objectives.includes(column.name))];
  const brushes = useMemo(() => readBrushes(brushed), [brushed]);
  const chosen = useMemo(() => within(columns, brushes, trials.length), [columns, brushes, trials.length]);
  const colours = useMemo(() => shades(result, trials.length, theme), [result, trials.length, theme]);
  const best = bestOf(study, result);
  const open = (i: number) => trials[i]?.key && go(href(path("run", trials[i].key)));
  const brush = (name: string, range: readonly [number, number] | null) => {
    const { [name]: _, ...rest } = brushes;
    setBrushed(writeBrushes(range ? { ...rest, [name]: range } : rest));
  };
  const shared = { trials, chosen, colours, best, pointed, point, open };
  const left = chosen.filter(Boolean).length;
  return (
    <div class="page study">
      <Head study={study} best={best} result={result} results={results} choose={setBy} picked={picked} />
      {trials.length > 0 && (
        <>
          <section class="study-card wide">
            <h2>
              Settings and results <small class="soft">{left < trials.length && `${left} of ${trials.length} trials chosen`}</small>
              <span class="spring" />
              {Object.keys(brushes).length > 0 && (
                <button type="button" onClick={() => setBrushed("")}>
                  Choose all
                </button>
              )}
            </h2>
            <Parallel columns={axes} colours={colours} chosen={chosen} brushes={brushes} brush={brush} pointed={pointed} point={point} best={best} />
          </section>
          <History {...shared} result={result} />
          {result && rows.some((row) => result.name in row.metrics) && <Curves {...shared} result={result} />}
          <Importance study={study} params={params} result={result} />
          <Scatter {...shared} columns={columns} result={result} objectives={objectives} />
          <section class="study-card wide">
            <h2>Trials</h2>
            <Trials trials={trials} columns={[...results.filter((column) => column === result || objectives.includes(column.name)), ...params]} chosen={chosen} best={best} pointed={pointed} point={point} picked={picked} pick={pick} />
          </section>
        </>
      )}
    </div>
  );
}

/** The study's best trial; where another result is looked at, the best in that. */
function bestOf(study: Study, result: Column | null): number | null {
  if (study.best && result?.name === objectivesOf(study)[0]?.name) {
    const i = study.trials.findIndex((trial) => trial.key === study.best);
    if (i >= 0) return i;
  }
  if (!result?.direction) return null;
  let best: number | null = null;
  result.values.forEach((value, i) => {
    if (typeof value !== "number" || kindOf(study.trials[i]!) !== "done") return;
    const known = best === null ? null : (result.values[best] as number);
    if (known === null || (result.direction === "min" ? value < known : value > known)) best = i;
  });
  return best;
}

interface HeadProps {
  study: Study;
  best: number | null;
  result: Column | null;
  results: readonly Column[];
  choose: (name: string) => void;
  picked: ReadonlySet<string>;
}

function Head({ study, best, result, results, choose, picked }: HeadProps) {
  const { trials } = study;
  const counts = new Map<string, number>();
  for (const trial of trials) counts.set(trial.status, (counts.get(trial.status) ?? 0) + 1);
  const keys = picked.size ? [...picked] : trials.flatMap((trial) => trial.key || []).slice(-50);
  const objective = objectivesOf(study)[0];
  const trial = best === null ? null : trials[best]!;
  const value = best === null ? null : result?.values[best];
  return (
    <header class="study-head">
      <div>
        <h1>{study.group}</h1>
        <p class="soft">
          {trials.length} trials: {[...counts].map(([status, n]) => `${n} ${status}`).join(", ")}
          {objective && ` · ${directionOf(objective) === "max" ? "maximize" : "minimize"} ${objectivesOf(study).map((one) => one.name).join(", ")}`}
        </p>
      </div>
      {trial?.key && typeof value === "number" && (
        <a class="study-best" href={href(path("run", trial.key))}>
          <small>best {result!.title}</small>
          <b>{number(value)}</b>
          <small>trial {trial.number}</small>
        </a>
      )}
      <span class="study-acts">
        {results.length > 1 && (
          <label class="choice">
            <span>result</span>
            <select value={result?.name ?? ""} onChange={(event) => choose(event.currentTarget.value)}>
              {results.map((column) => (
                <option key={column.name} value={column.name}>
                  {column.title}
                </option>
              ))}
            </select>
          </label>
        )}
        {keys.length > 0 && (
          <>
            <a class="button" href={href("/charts", { keys })}>
              Charts{picked.size ? ` of ${picked.size}` : ""}
            </a>
            <a class="button" href={href("/compare", { keys: picked.size ? keys : [...new Set([trial?.key || keys[0]!, ...keys])].slice(0, 8) })}>
              Compare{picked.size ? ` ${picked.size}` : ""}
            </a>
          </>
        )}
      </span>
    </header>
  );
}
