/** What holds for all charts. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { useApp } from "../app";
import type { Row, X } from "../api/types";
import type { BandKind } from "../numbers/bands";
import { Icon } from "./icons";
import type { View } from "./view";

export interface ToolbarProps {
  view: View;
  change: (patch: Partial<View>) => void;
  labels: readonly string[];
  rows: readonly Row[];
  /** Which runs are one curve now. */
  by: string;
}

export function Toolbar({ view, change, labels, rows, by }: ToolbarProps) {
  const { say } = useApp();
  const x = typeof view.x === "string" ? view.x : `metric:${view.x.metric}`;
  const link = async () => {
    await navigator.clipboard.writeText(location.href);
    say("The address of this view is in the clipboard.");
  };
  return (
    <div class="chart-bar" role="toolbar" aria-label="Charts">
      <Find value={view.filter} change={(filter) => change({ filter })} />
      <Choice name="x" label="x axis" value={x} choose={(x) => change({ x: readX(x), zoom: {} })}>
        <option value="step">Step</option>
        <option value="epoch">Epoch</option>
        <option value="samples">Samples</option>
        <option value="relative">Time since start</option>
        <option value="time">Wall time</option>
        <optgroup label="Metric">
          {labels.map((label) => (
            <option key={label} value={`metric:${label}`}>
              {label}
            </option>
          ))}
        </optgroup>
      </Choice>
      <Smooth view={view} change={change} />
      {rows.length > 1 && <Together view={view} change={change} rows={rows} by={by} />}
      <span class="segmented" role="group" aria-label="Axes">
        <Toggle on={view.logX} flip={() => change({ logX: !view.logX, zoom: {} })} title="Logarithmic x axes">
          log x
        </Toggle>
        <Toggle on={view.logY} flip={() => change({ logY: !view.logY, against: [] })} title="Logarithmic y axes">
          log y
        </Toggle>
        <Toggle on={view.robust} flip={() => change({ robust: !view.robust })} title="Leave outliers out of the y range; a chip says how many">
          outliers
        </Toggle>
        {rows.some((row) => row.attempts > 1) && (
          <Toggle on={view.superseded} flip={() => change({ superseded: !view.superseded })} title="Also what a later attempt made void">
            void points
          </Toggle>
        )}
      </span>
      <span class="segmented" role="group" aria-label="Zoom">
        <Toggle on={view.linked} flip={() => change({ linked: !view.linked, zoom: {} })} title="One zoom for all charts">
          link zoom
        </Toggle>
        {Object.keys(view.zoom).length > 0 && (
          <button type="button" onClick={() => change({ zoom: {} })}>
            reset zoom
          </button>
        )}
      </span>
      <span class="spring" />
      <Choice name="columns" label="Charts in a row" value={String(view.columns)} choose={(columns) => change({ columns: Number(columns) })}>
        <option value="0">auto</option>
        {[1, 2, 3, 4, 6].map((n) => (
          <option key={n} value={String(n)}>
            {n}
          </option>
        ))}
      </Choice>
      <button type="button" class="icon" aria-label="Copy a link to this view" title="Copy a link to this view" onClick={() => void link().catch((error: Error) => say(error.message, "bad"))}>
        <Icon name="link" />
      </button>
    </div>
  );
}

const readX = (text: string): X => (text.startsWith("metric:") ? { metric: text.slice(7) } : (text as X));

function Find({ value, change }: { value: string; change: (text: string) => void }) {
  return (
    <input
      type="search"
      class="chart-find"
      placeholder="Find metrics…"
      aria-label="Find metrics: words, or /a regular expression/"
      value={value}
      onInput={(event) => change(event.currentTarget.value)}
    />
  );
}

interface ChoiceProps {
  name: string;
  /** What it is called aloud. */
  label: string;
  value: string;
  choose: (value: string) => void;
  children: ComponentChildren;
}

function Choice({ name, label, value, choose, children }: ChoiceProps) {
  return (
    <label class="choice">
      <span>{name}</span>
      <select value={value} aria-label={label} onChange={(event) => choose(event.currentTarget.value)}>
        {children}
      </select>
    </label>
  );
}

function Toggle({ on, flip, title, children }: { on: boolean; flip: () => void; title: string; children: ComponentChildren }) {
  return (
    <button type="button" aria-pressed={on} title={title} onClick={flip}>
      {children}
    </button>
  );
}

type Part = Pick<ToolbarProps, "view" | "change">;

/** The slider moves at once; the curves follow when it rests. */
function Smooth({ view, change }: Part) {
  const { smoothing } = view;
  const amount = smoothing.kind === "none" ? 0 : smoothing.amount;
  const [near, setNear] = useState(amount);
  useEffect(() => setNear(amount), [amount]);
  useEffect(() => {
    if (smoothing.kind === "none" || near === amount) return;
    const wait = setTimeout(() => change({ smoothing: { kind: smoothing.kind, amount: near } }), 60);
    return () => clearTimeout(wait);
  }, [near]);
  const kind = (to: string) =>
    change({ smoothing: to === "ema" ? { kind: "ema", amount: 0.9 } : to === "gaussian" ? { kind: "gaussian", amount: 10 } : { kind: "none" } });
  const slide = smoothing.kind === "ema" ? { min: 0.01, max: 0.999, step: 0.001 } : { min: 1, max: 200, step: 1 };
  return (
    <>
      <Choice name="smooth" label="Smoothing" value={smoothing.kind} choose={kind}>
        <option value="none">off</option>
        <option value="ema">moving average</option>
        <option value="gaussian">Gaussian</option>
      </Choice>
      {smoothing.kind !== "none" && (
        <label class="choice">
          <input type="range" {...slide} value={near} aria-label="Amount of smoothing" onInput={(event) => setNear(Number(event.currentTarget.value))} />
          <output class="num">{near}</output>
        </label>
      )}
    </>
  );
}

/** Which runs are one curve, and what its band is. */
function Together({ view, change, rows, by }: Part & Pick<ToolbarProps, "rows" | "by">) {
  return (
    <>
      <Choice name="group" label="Runs that are one curve" value={by} choose={(to) => change({ by: to })}>
        <option value="">each run</option>
        <option value="replicates">replicates (seeds)</option>
        <option value="group">group</option>
        <optgroup label="Param">
          {varying(rows).map((name) => (
            <option key={name} value={`param.${name}`}>
              {name}
            </option>
          ))}
        </optgroup>
      </Choice>
      {by && (
        <Choice name="band" label="Band" value={view.band} choose={(band) => change({ band: band as BandKind })}>
          <option value="sd">mean ± sd</option>
          <option value="range">min to max</option>
          <option value="ci">95 % CI (bootstrap)</option>
        </Choice>
      )}
    </>
  );
}

/** Params with several values, and fewer of them than there are runs. */
function varying(rows: readonly Row[]): string[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.params)))];
  return names.filter((name) => {
    const values = new Set(rows.map((row) => JSON.stringify(row.params[name] ?? null)));
    return values.size > 1 && (values.size < rows.length || rows.length <= 3);
  });
}
