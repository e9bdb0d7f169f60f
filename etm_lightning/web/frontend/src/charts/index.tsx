import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import { useLive } from "../app";
import type { Source } from "../api/source";
import type { Row } from "../api/types";
import { useAsked } from "../asked";
import { Empty, Shown } from "../shell/states";
import { firstOf, ROW, takeAhead } from "./ahead";
import { KeptChart, type ChartActs } from "./chart";
import { Full } from "./full";
import { chosen, grouped, type RunGroup } from "./groups";
import { useMetrics } from "./metrics";
import { parts, PINNED, rearranged, sectionOf, sections, titleOf, type Metric, type Part } from "./sections";
import { useSteps } from "./seen";
import { Side } from "./side";
import { useView } from "./state";
import { Toolbar } from "./toolbar";
import type { View } from "./view";
import type { Workspace } from "./workspace";
import "./charts.css";

export interface ChartsProps {
  source: Source;
  /** The runs whose curves are shown, in this order. */
  keys: string[];
  /** `metrics` leaves out the samples of the machine, `system` shows only them. */
  only?: "metrics" | "system";
  /** The runs are listed beside the charts, each in the colour of its curve. */
  listed?: boolean;
}

/** A workspace of charts: every metric of some runs. Its view lives in the address. */
export function Charts({ source, keys, only, listed = false }: ChartsProps) {
  const ahead = useMemo(() => takeAhead(source, keys), [source]);
  const asked = useAsked(() => ahead.rows(keys), [source, keys.join()], false, ahead.here);
  const wait = useRef(0);
  useLive((what) => {
    if (!wait.current && what.changed.some((key) => keys.includes(key)))
      wait.current = setTimeout(() => ((wait.current = 0), asked.again()), 3000) as unknown as number;
  });
  useEffect(() => () => clearTimeout(wait.current), []);
  return <Shown asked={asked}>{(rows) => <Board {...{ source, rows, only, listed }} workspace={ahead.workspace} />}</Shown>;
}

interface BoardProps extends Omit<Required<ChartsProps>, "keys" | "only"> {
  only: ChartsProps["only"];
  rows: Row[];
  workspace: Workspace;
}

function Board({ source, rows: newest, only, listed, workspace }: BoardProps) {
  const rows = useSame(newest);
  const [view, change] = useView();
  useLive((what) => workspace.catchUp(new Set(what.changed)));
  const metrics = useMetrics(source, rows, only);
  const by = listed && view.by === "auto" ? "" : chosen(view.by, rows);
  const groups = useMemo(() => (by ? grouped(rows, by) : null), [rows, by]);
  const labels = useMemo(() => metrics.map((metric) => metric.label), [metrics]);
  const acts = useActs(view, change, metrics);
  const found = useMemo(() => parts(metrics, view), [metrics, view]);
  const steps = useMemo(() => {
    const row = firstOf(found, rows, view, groups !== null);
    return [row.slice(0, 1), row].map((some) => () => workspace.ahead(some));
  }, [workspace]);
  const room = [1, ROW, Infinity][useSteps(steps)]!;
  const later = room > ROW;
  const shared = { rows, groups, view, acts, workspace, later };
  const side = rows.length > 1 && (!listed || groups !== null);
  return (
    <div class={side ? "charts with-side" : "charts"}>
      {side && (later ? <Side {...{ rows, groups, view, change, workspace }} /> : <aside class="chart-side" />)}
      <div class="chart-board">
        {later ? <Toolbar {...{ view, change, labels, rows, by }} /> : <div class="chart-bar" />}
        <Sections parts={found} any={metrics.length > 0} {...{ room, change }} {...shared} />
      </div>
      {labels.includes(view.full) && <Full label={view.full} title={view.full} {...shared} />}
    </div>
  );
}

/** The rows of before where nothing that charts show has changed, so that they need not be made again. */
function useSame(rows: Row[]): Row[] {
  const kept = useRef(rows);
  const told = (row: Row) => [row.key, row.name, row.status, row.replicates, row.group, row.attempts, ...Object.keys(row.metrics)].join("\n");
  const [was, now] = [kept.current.map(told).join("\n\n"), rows.map(told).join("\n\n")];
  if (was !== now) kept.current = rows;
  return kept.current;
}

function useActs(view: View, change: (patch: Partial<View>) => void, metrics: readonly Metric[]): ChartActs {
  const now = useRef({ view, metrics });
  now.current = { view, metrics };
  return useMemo(() => {
    const flipped = (list: readonly string[], label: string) => (list.includes(label) ? list.filter((one) => one !== label) : [...list, label]);
    return {
      zoom: (label, range) => {
        const { zoom, linked } = now.current.view;
        const { [linked ? "*" : label]: _, ...rest } = zoom;
        change({ zoom: range ? { ...rest, [linked ? "*" : label]: range } : rest });
      },
      pin: (label) => change({ pinned: flipped(now.current.view.pinned, label) }),
      full: (full) => change({ full }),
      log: (label) => change({ against: flipped(now.current.view.against, label) }),
      move: (label, to) => change(moved(now.current.view, now.current.metrics, label, to)),
    };
  }, [change]);
}

/** The view with a chart in another place of its section, or among the pinned ones. */
function moved(view: View, metrics: readonly Metric[], label: string, to: string | number): Partial<View> {
  const section = sections(metrics, view.order).find((one) => one.metrics.some((metric) => metric.label === label));
  const pinned = view.pinned.includes(label);
  const list = pinned ? view.pinned : (section?.metrics.map((metric) => metric.label) ?? []);
  const target = typeof to === "number" ? list[list.indexOf(label) + to] : to;
  if (target === undefined) return {};
  const order = rearranged(list, label, target);
  return pinned ? { pinned: order } : { order: { ...view.order, [section!.name]: order } };
}

interface SectionsProps {
  parts: readonly Part[];
  /** There are metrics, shown or not. */
  any: boolean;
  rows: Row[];
  groups: readonly RunGroup[] | null;
  view: View;
  change: (patch: Partial<View>) => void;
  acts: ChartActs;
  workspace: Workspace;
  /** So many charts are laid out. */
  room: number;
  /** The first charts are drawn: now comes what nobody missed until then. */
  later: boolean;
}

function Sections({ parts, any, room, change, ...shared }: SectionsProps) {
  const { view } = shared;
  if (!any) return <Empty title="No metrics yet">Values appear here as soon as they are logged.</Empty>;
  if (!parts.length) return <Empty title="No metric fits">Nothing is called “{view.filter}”.</Empty>;
  const flip = (name: string) =>
    change({ toggled: view.toggled.includes(name) ? view.toggled.filter((one) => one !== name) : [...view.toggled, name] });
  return (
    <>
      {parts.map((part) => {
        const mine = room;
        if (!part.closed) room = Math.max(0, room - part.metrics.length);
        return mine > 0 && <Block key={part.name} {...part} room={mine} flip={() => flip(part.name)} {...shared} />;
      })}
    </>
  );
}

/** So many charts of a section are laid out at first. */
const FIRST = 60;

type BlockProps = Omit<SectionsProps, "parts" | "any" | "change"> & Part & { flip: () => void };

function Block({ name, metrics, room, closed, flip, ...shared }: BlockProps) {
  const [most, setMost] = useState(FIRST);
  const more = useCallback(() => setMost((n) => n + 4 * FIRST), []);
  const { columns } = shared.view;
  return (
    <section class="chart-section">
      <h2>
        <button type="button" class="plain" aria-expanded={!closed} onClick={flip}>
          <span class="fold" aria-hidden="true" /> {name} <small class="faint">{metrics.length}</small>
        </button>
      </h2>
      {!closed && (
        <div class="chart-grid" style={columns ? { gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` } : undefined}>
          {metrics.slice(0, Math.min(most, room)).map((metric) => (
            <KeptChart key={metric.label} label={metric.label} title={name === PINNED ? metric.label : titleOf(metric.label, sectionOf(metric))} {...shared} />
          ))}
        </div>
      )}
      {!closed && metrics.length > most && (
        <button type="button" onClick={more}>
          Show {Math.min(4 * FIRST, metrics.length - most)} of {metrics.length - most} more
        </button>
      )}
    </section>
  );
}
