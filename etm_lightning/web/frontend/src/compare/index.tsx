import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { useApp, useLive } from "../app";
import type { Compare, Row } from "../api/types";
import { useAsked } from "../asked";
import { Swatch } from "../charts/readout";
import { href, path, useListParam, useParam } from "../router";
import { Empty, Shown } from "../shell/states";
import { Diff } from "./diff";
import { MetricLine, ValueLine } from "./lines";
import { OverSeeds } from "./over_seeds";
import { seedGroups } from "./seeds";
import "./compare.css";

/** How long a comparison of running runs rests before it is asked for again. */
const REST = 3000;

/** `#/compare?keys=…&baseline=…&all=1` */
export function ComparePage() {
  const { source } = useApp();
  const [keys] = useListParam("keys");
  const [baseline] = useParam("baseline");
  const asked = useAsked(() => source.compare(keys, keys.includes(baseline) ? baseline : null), [source, keys.join(), baseline], true);
  const wait = useRef(0);
  useLive((what) => {
    if (!wait.current && what.changed.some((key) => keys.includes(key)))
      wait.current = setTimeout(() => ((wait.current = 0), asked.again()), REST) as unknown as number;
  });
  useEffect(() => () => clearTimeout(wait.current), []);
  if (!keys.length) return <Empty title="No runs chosen">Select two or more runs in the table, then press Compare.</Empty>;
  return <Shown asked={asked}>{(found) => <Comparison found={found} wanted={baseline} />}</Shown>;
}

function Comparison({ found, wanted }: { found: Compare; wanted: string }) {
  const [all, setAll] = useParam("all");
  const { runs } = found;
  const base = Math.max(0, runs.findIndex((row) => row.key === wanted));
  const groups = useMemo(() => seedGroups(runs, runs[base]!.key), [runs, base]);
  const info = found.info.filter((line) => all || line.differs);
  const config = found.config.filter((line) => all || line.differs);
  const packages = found.packages.map((line) => ({ ...line, differs: line.values.some((value) => value !== line.values[0]) })).filter((line) => all || line.differs);
  const span = runs.length + 1;
  return (
    <div class="page compare">
      <header class="compare-head">
        <h1>Compare {runs.length} runs</h1>
        <span class="spring" />
        <label class="choice">
          <input type="checkbox" checked={!all} onChange={(event) => setAll(event.currentTarget.checked ? "" : "1")} /> only differences
        </label>
        <a class="button" href={href("/charts", { keys: runs.map((row) => row.key) })}>
          Charts
        </a>
      </header>
      {groups.length > 1 && (
        <section>
          <h2>Over seeds</h2>
          <OverSeeds metrics={found.metrics} groups={groups} />
        </section>
      )}
      <section class="side-by-side" tabIndex={0} aria-label="Runs side by side">
        <table>
          <Heads runs={runs} base={base} />
          <Body name="Metrics" span={span} count={found.metrics.length}>
            {found.metrics.map((metric) => (
              <MetricLine key={metric.name} metric={metric} base={base} />
            ))}
          </Body>
          <Body name="Settings" span={span} count={config.length} none={found.config.length ? "No setting differs." : "No settings were recorded."}>
            {config.map((line) => (
              <ValueLine key={line.name} name={line.name} values={line.values} base={base} />
            ))}
          </Body>
          <Body name="Packages" span={span} count={packages.length} none={found.packages.length ? "All packages are the same." : "No packages were recorded."}>
            {packages.map((line) => (
              <ValueLine key={line.name} name={line.name} values={line.values} base={base} />
            ))}
          </Body>
          <Body name="Code" span={span} count={1}>
            <ValueLine name="commit" values={found.code.map((one) => one.commit && one.commit.slice(0, 12))} base={base} />
            <ValueLine name="uncommitted changes" values={found.code.map((one) => (one.dirty === null ? null : one.dirty ? "yes" : "no"))} base={base} />
          </Body>
          {[...new Set(info.map((line) => line.about))].map((about) => (
            <Body key={about} name={about} span={span} count={1}>
              {info
                .filter((line) => line.about === about)
                .map((line) => (
                  <ValueLine key={line.name} name={line.name} values={line.values} base={base} />
                ))}
            </Body>
          ))}
        </table>
      </section>
      <Code found={found} />
    </div>
  );
}

function Heads({ runs, base }: { runs: readonly Row[]; base: number }) {
  const { theme, colours } = useApp();
  const [, setKeys] = useListParam("keys");
  const [, setBaseline] = useParam("baseline");
  return (
    <thead>
      <tr>
        <td />
        {runs.map((row, k) => (
          <th key={row.key} scope="col">
            <div class="compare-run">
              <Swatch slot={colours.slot(row.key)} theme={theme} />
              <a class="ellipsis" href={href(path("run", row.key))} title={`${row.name || row.id}\n${row.id}`}>
                {row.name || row.id}
              </a>
              {runs.length > 1 && (
                <button type="button" class="plain" aria-label={`Leave ${row.name || row.id} out`} title="Leave out" onClick={() => setKeys(runs.filter((one) => one !== row).map((one) => one.key))}>
                  ×
                </button>
              )}
            </div>
            <div class="compare-run">
              <small class="faint">{row.status}</small>
              <span class="spring" />
              {k === base ? (
                <span class="chip">baseline</span>
              ) : (
                <button type="button" class="plain small" onClick={() => setBaseline(row.key)}>
                  make baseline
                </button>
              )}
            </div>
          </th>
        ))}
      </tr>
    </thead>
  );
}

interface BodyProps {
  name: string;
  span: number;
  count: number;
  none?: string;
  children: ComponentChildren;
}

function Body({ name, span, count, none, children }: BodyProps) {
  if (!count && !none) return null;
  return (
    <tbody>
      <tr class="compare-part">
        <th colSpan={span} scope="rowgroup">
          <span>{name}</span>
        </th>
      </tr>
      {count ? (
        children
      ) : (
        <tr>
          <td colSpan={span} class="faint">
            <span>{none}</span>
          </td>
        </tr>
      )}
    </tbody>
  );
}

function Code({ found }: { found: Compare }) {
  const own = found.code.filter((one) => one.diff);
  const names = new Map(found.runs.map((row) => [row.key, row.name || row.id]));
  if (!found.code_diff && !own.length) return null;
  return (
    <section>
      <h2>Code</h2>
      {found.code_diff && <Diff text={found.code_diff} />}
      {own.map((one) => (
        <details key={one.key} class="compare-code">
          <summary>Uncommitted changes of {names.get(one.key)}</summary>
          <Diff text={one.diff!} />
        </details>
      ))}
    </section>
  );
}

