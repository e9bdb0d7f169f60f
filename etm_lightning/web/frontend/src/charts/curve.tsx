/** The inside of a chart: points held, lines made of them, and a plot. */

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";

import { useApp } from "../app";
import type { Row } from "../api/types";
import type { Range } from "../numbers/ranges";
import { told } from "./axes";
import { Dots } from "./dots";
import type { RunGroup } from "./groups";
import { wantedOf, type Held } from "./held";
import { paperOf } from "./ink";
import { heights, outside, wholeX } from "./limits";
import { bands, lines, type Line } from "./lines";
import { moved, Plot, scaled, type Shown, type Size } from "./plot";
import { valuesAt } from "./pointing";
import { Readout } from "./readout";
import type { View } from "./view";
import type { Workspace } from "./workspace";

export interface CurveProps {
  /** Tells the chart from another one of the same metric. */
  id: string;
  label: string;
  rows: readonly Row[];
  groups: readonly RunGroup[] | null;
  view: View;
  logY: boolean;
  range: Range | null;
  zoom: (range: Range | null) => void;
  workspace: Workspace;
  /** Told what is shown, for the header, the summary and downloads. */
  told: (shown: Told) => void;
  /** It has room for more points than a small chart. */
  tall: boolean;
}

export interface Told {
  lines: readonly Line[];
  held: Held;
  plot: Plot | null;
  outside: number;
  x: Range;
}

export function Curve(props: CurveProps) {
  const { view, rows, range, workspace, label, id } = props;
  const { theme } = useApp();
  const place = useRef<HTMLDivElement>(null);
  const held = useHeld(props);
  const [moving, setMoving] = useState<Range | null>(null);
  const [yZoom, setYZoom] = useState<Range | null>(null);
  const shownRange = moving ?? range;
  const found = useLines(props, held, shownRange);
  const x = useMemo(() => shownRange ?? wholeX(found, view.logX), [found, shownRange, view.logX]);
  const y = useMemo(() => yZoom ?? heights(found, x, { logY: props.logY, robust: view.robust }), [found, x, yZoom, props.logY, view.robust]);
  useEffect(() => void held.refine(range), [held, range, held.whole]);
  useEffect(() => setYZoom(null), [range === null, props.logY, label]);
  const single = found.length > 0 && found.every((line) => line.x.length <= 1 && line.marks.every((mark) => mark.kind === "attempt"));
  const zoom = (across: Range | null, up: Range | null) => {
    setMoving(null);
    setYZoom(up);
    if (across || !up) props.zoom(across);
  };
  const pan = (to: Range, done: boolean) => {
    setMoving(done ? null : to);
    if (done) props.zoom(to);
  };
  const plot = usePlot(place, props, { lines: found, xRange: x, yRange: y, moving: moving !== null }, { zoom, pan }, single);
  const begun = useRef(false);
  useEffect(() => {
    begun.current ||= found.length > 0 || held.state === "here";
    if (!begun.current) return; // nothing is to be told yet, and who hears is drawn again
    props.told({ lines: found, held, plot: plot.current, outside: view.robust ? outside(found, x, y) : 0, x });
  }, [found, x, y, view.robust, plot.current]);
  const pointer = usePointer(id, workspace, plot, found, view);
  const keys = (event: KeyboardEvent) => onKey(event, { x, view, found, props, zoom, pointer, workspace });
  return (
    <div class="curve" ref={place} tabIndex={0} role="application" aria-roledescription="chart" aria-label={`${label}, ${rows.length} runs; arrow keys read values, plus and minus zoom, 0 shows all`} onKeyDown={keys} onBlur={() => workspace.point({ chart: "", x: null, line: null })}>
      {single && <Dots lines={found} theme={theme} />}
      {!found.length && <Nothing held={held} x={view.x} />}
      {pointer.at !== null && !single && (
        <Readout x={view.x} at={pointer.at} values={pointer.values} strong={pointer.line} theme={theme} left={pointer.left} turned={pointer.turned} />
      )}
      <span class="hidden" aria-live="polite">
        {pointer.byKey && pointer.at !== null ? pointer.values.map((value) => `${value.line.label} ${value.y}`).join(", ") + ` at ${told(view.x, pointer.at)}` : ""}
      </span>
    </div>
  );
}

function Nothing({ held, x }: { held: Held; x: View["x"] }) {
  if (held.state === "failed") {
    return (
      <p class="curve-note" role="alert">
        {held.error}{" "}
        <button type="button" onClick={() => void held.load(true)}>
          Try again
        </button>
      </p>
    );
  }
  const why = held.whole.find((one) => one.why)?.why;
  return <p class="curve-note faint">{held.state === "here" ? (why ?? `No values over ${typeof x === "string" ? x : x.metric}.`) : <i class="curve-wait" />}</p>;
}

function useHeld({ workspace, rows, groups, label, view, tall }: CurveProps): Held {
  const wanted = wantedOf(label, rows.map((row) => row.key), view, { together: groups !== null, tall });
  const [, again] = useReducer((n: number) => n + 1, 0);
  const held = useMemo(() => workspace.hold(wanted), [workspace, JSON.stringify(wanted)]);
  useLayoutEffect(() => {
    const end = held.hear(() => again(undefined));
    void held.load();
    return () => {
      end();
      workspace.release(held);
    };
  }, [held]);
  return held;
}

function useLines({ rows, groups, view }: CurveProps, held: Held, range: Range | null): readonly Line[] {
  const { colours } = useApp();
  const series = held.curves(range);
  return useMemo(() => {
    const names = new Map(rows.map((row) => [row.key, row.name || row.id]));
    const style = { smoothing: view.smoothing, band: view.band, name: (key: string) => names.get(key) ?? key, slot: (key: string) => colours.slot(key) };
    const seen = series.filter((one) => !view.hidden.includes(one.run));
    return groups ? bands(seen, groups, style) : lines(seen, style);
  }, [series, rows, groups, view.smoothing, view.band, view.hidden]);
}

type Acts = { zoom: (x: Range | null, y: Range | null) => void; pan: (x: Range, done: boolean) => void };

function usePlot(
  place: RefObject<HTMLDivElement | null>,
  { id, view, logY, workspace, label }: CurveProps,
  shown: Shown,
  acts: Acts,
  single: boolean,
): { current: Plot | null } {
  const { theme } = useApp();
  const plot = useRef<Plot | null>(null);
  // as it was last laid out: to ask for it when the plot is made would lay out the page once more
  const size = useRef<Size | null>(null);
  const act = useRef(acts);
  act.current = acts;
  const ready = shown.lines.length > 0 && !single;
  useLayoutEffect(() => {
    if (!ready) return;
    const paper = paperOf(theme);
    plot.current = new Plot(
      place.current!,
      { x: view.x, logX: view.logX, logY, ink: paper.ink, text: paper.text, grid: paper.grid, font: paper.font },
      shown,
      {
        point: (at) => workspace.point({ chart: at ? id : "", x: at?.x ?? null, line: at ? plot.current!.under(at.x, at.top) : null }),
        zoom: (x, y) => act.current.zoom(x, y),
        pan: (x, done) => act.current.pan(x, done),
      },
      size.current ?? sizeOf(place.current!),
    );
    performance.mark("etm-chart");
    return () => {
      plot.current?.destroy();
      plot.current = null;
    };
  }, [ready, theme, JSON.stringify(view.x), view.logX, logY, label]);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => {
      size.current = sizeOf(place.current!);
      plot.current?.resize(size.current);
    });
    watch.observe(place.current!);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => plot.current?.show(shown), [shown.lines, shown.xRange, shown.yRange, shown.moving]);
  return plot;
}

const sizeOf = ({ clientWidth: width, clientHeight: height }: HTMLElement): Size => ({ width, height });

interface Pointer {
  at: number | null;
  line: string | null;
  values: ReturnType<typeof valuesAt>;
  left: number;
  turned: boolean;
  byKey: boolean;
}

/** Follows the pointer of all charts on the plot, and of this chart in words. */
function usePointer(id: string, workspace: Workspace, plot: { current: Plot | null }, found: readonly Line[], view: View): Pointer {
  const [pointed, setPointed] = useState(workspace.pointed);
  useEffect(
    () =>
      workspace.hear((now) => {
        plot.current?.mark(now.x, now.line);
        setPointed((was) => (now.chart === id || was.chart === id ? now : was));
      }),
    [workspace, id, found],
  );
  const at = pointed.chart === id ? pointed.x : null;
  const values = useMemo(() => (at === null ? [] : valuesAt(found, at)), [at, found, view]);
  const left = at === null ? 0 : (plot.current?.leftOf(at) ?? 0);
  const offset = plot.current?.offset ?? 0;
  return { at, line: pointed.line, values, left: left + offset, turned: left > (plot.current?.wide ?? 0) / 2, byKey: pointed.byKey === true };
}

interface Keyed {
  x: Range;
  view: View;
  found: readonly Line[];
  props: CurveProps;
  zoom: Acts["zoom"];
  pointer: Pointer;
  workspace: Workspace;
}

function onKey(event: KeyboardEvent, { x, view, found, props, zoom, pointer, workspace }: Keyed): void {
  if (event.altKey || event.metaKey || event.ctrlKey) return;
  const acts: Record<string, () => void> = {
    "+": () => props.zoom(scaled(x, 0.5, 0.5, view.logX)),
    "=": () => props.zoom(scaled(x, 0.5, 0.5, view.logX)),
    "-": () => props.zoom(scaled(x, 2, 0.5, view.logX)),
    "0": () => zoom(null, null),
    Escape: () => workspace.point({ chart: "", x: null, line: null }),
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    Home: () => point(x[0]),
    End: () => point(x[1]),
    "[": () => props.zoom(moved(x, -0.25, view.logX)),
    "]": () => props.zoom(moved(x, 0.25, view.logX)),
  };
  const point = (to: number) => workspace.point({ chart: props.id, x: to, line: pointer.line, byKey: true });
  const step = (way: number) => {
    const line = found.find((one) => one.id === pointer.line) ?? found[0];
    if (line) point(neighbour(line.x, pointer.at ?? way * -Infinity, way * (event.shiftKey ? 10 : 1), x));
  };
  const act = acts[event.key];
  if (!act || (event.key === "Escape" && pointer.at === null)) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

/** The point that is `way` points further than `from`, within a range. */
function neighbour(values: Float64Array, from: number, way: number, range: Range): number {
  const inside = values.filter((value) => value >= range[0] && value <= range[1]);
  const at = way > 0 ? inside.findIndex((value) => value > from) : inside.findLastIndex((value) => value < from);
  if (at < 0) return Number.isFinite(from) ? from : range[0];
  return inside[Math.min(inside.length - 1, Math.max(0, at + way - Math.sign(way)))]!;
}
