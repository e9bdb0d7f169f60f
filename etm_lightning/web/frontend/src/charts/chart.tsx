/** One chart of the workspace: its head, its curve, and what can be done with it. */

import { Component } from "preact";
import { useRef, useState } from "preact/hooks";

import { useApp } from "../app";
import type { Row } from "../api/types";
import { count, number } from "../numbers/format";
import type { Range } from "../numbers/ranges";
import { nameOf } from "./axes";
import { Curve, type Told } from "./curve";
import { csv, fileName, picture, save } from "./download";
import type { RunGroup } from "./groups";
import { Icon } from "./icons";
import { paperOf } from "./ink";
import { lastOf } from "./lines";
import { useSeen } from "./seen";
import type { View } from "./view";
import type { Workspace } from "./workspace";

export interface ChartActs {
  zoom: (label: string, range: Range | null) => void;
  pin: (label: string) => void;
  full: (label: string) => void;
  log: (label: string) => void;
  /** Puts a chart in the place of another one; by a number: that many places on. */
  move: (label: string, to: string | number) => void;
}

export interface ChartProps {
  label: string;
  title: string;
  rows: readonly Row[];
  groups: readonly RunGroup[] | null;
  view: View;
  acts: ChartActs;
  workspace: Workspace;
  tall?: boolean;
  /** The first charts of the page are drawn: until then there are no others, and no buttons. */
  later: boolean;
  told?: (told: Told) => void;
}

export function Chart(props: ChartProps) {
  const { label, title, view, acts, rows, later, tall = false } = props;
  const [place, seen] = useSeen<HTMLElement>(!props.later || tall);
  const [told, setTold] = useState<Told | null>(null);
  const hear = (now: Told) => {
    setTold(now);
    props.told?.(now);
  };
  const range = view.zoom[view.linked ? "*" : label] ?? null;
  const logY = view.logY !== view.against.includes(label);
  const keys = (event: KeyboardEvent) => onKey(event, label, acts);
  const drag = useDrag(label, acts);
  return (
    <figure class={tall ? "chart tall" : "chart"} ref={place} onKeyDown={tall ? undefined : keys} {...(tall ? {} : drag.target)} data-metric={label}>
      <figcaption>
        {!tall && (
          <span class="grip" {...drag.handle} title="Drag to move; Alt and arrow keys move it too">
            {later && <Icon name="grip" />}
          </span>
        )}
        <h3 class="ellipsis" title={label}>
          {title}
        </h3>
        <Chips told={told} />
        <span class="spring" />
        {range && (
          <button type="button" class="plain icon shown" aria-label={`Show all of ${label}`} title="Show all (double-click, 0)" onClick={() => acts.zoom(label, null)}>
            <Icon name="back" />
          </button>
        )}
        {later && <Buttons {...props} logY={logY} now={told} />}
      </figcaption>
      <div class="chart-body">
        {seen && (
          <Curve id={tall ? `full ${label}` : label} label={label} rows={rows} groups={props.groups} view={view} logY={logY} range={range} zoom={(to) => acts.zoom(label, to)} workspace={props.workspace} told={hear} tall={tall} />
        )}
      </div>
      <p class="hidden">{told ? summary(label, told, view) : ""}</p>
    </figure>
  );
}

/** A chart that is made again only when something has changed that it shows. */
export class KeptChart extends Component<ChartProps> {
  override shouldComponentUpdate(next: ChartProps): boolean {
    return shownOf(this.props).some((one, k) => one !== shownOf(next)[k]);
  }

  override render() {
    return <Chart {...this.props} />;
  }
}

function shownOf({ label, title, rows, groups, acts, workspace, later, view }: ChartProps): unknown[] {
  const { x, smoothing, logX, logY, robust, band, hidden, superseded, linked, zoom, pinned, against } = view;
  const own = [zoom[linked ? "*" : label], pinned.includes(label), against.includes(label)];
  return [label, title, rows, groups, acts, workspace, later, x, smoothing, logX, logY, robust, band, hidden, superseded, linked, ...own];
}

/** What a person who does not see the chart is told. */
function summary(label: string, { lines }: Told, view: View): string {
  const parts = lines.slice(0, 20).map((line) => `${line.label}: last ${number(lastOf(line.y))}, ${line.total} values`);
  const more = lines.length > 20 ? `; and ${lines.length - 20} more` : "";
  return `${label} over ${nameOf(view.x)}, ${lines.length} curves. ${parts.join("; ")}${more}.`;
}

function Chips({ told }: { told: Told | null }) {
  if (!told) return null;
  const odd = told.held.whole.reduce((sum, one) => sum + one.nonfinite.length, 0);
  const runs = told.held.whole.length;
  const later = told.held.whole.filter((one) => one.later).length;
  return (
    <>
      {later > 0 && (
        <span class="chart-chip" role="status" title="The other runs come as they are read">
          {runs - later} of {runs} runs
        </span>
      )}
      {odd > 0 && (
        <span class="chart-chip bad" title="Values that are not finite; triangles on the axis show where">
          {count(odd)} NaN/∞
        </span>
      )}
      {told.outside > 0 && (
        <span class="chart-chip" title="Outliers that the range leaves out">
          {count(told.outside)} outside
        </span>
      )}
    </>
  );
}

type ButtonsProps = ChartProps & { logY: boolean; now: Told | null };

function Buttons(props: ButtonsProps) {
  const { label, view, acts, tall = false } = props;
  const pinned = view.pinned.includes(label);
  return (
    <>
      {!tall && (
        <button type="button" class={pinned ? "plain icon shown" : "plain icon"} aria-pressed={pinned} aria-label={`Pin ${label}`} title="Pin on top (p)" onClick={() => acts.pin(label)}>
          <Icon name="pin" />
        </button>
      )}
      <button type="button" class="plain icon" aria-label={tall ? "Close" : `Enlarge ${label}`} title={tall ? "Close (Esc)" : "Enlarge (f)"} onClick={() => acts.full(tall ? "" : label)}>
        <Icon name={tall ? "close" : "full"} />
      </button>
      <Menu {...props} />
    </>
  );
}

function Menu({ label, view, acts, rows, logY, now, tall, workspace }: ButtonsProps) {
  const { theme, say } = useApp();
  const menu = useRef<HTMLDetailsElement>(null);
  const [open, setOpen] = useState(false);
  const act = (what: () => unknown) => () => {
    menu.current!.open = false;
    void Promise.resolve(what()).catch((error: Error) => say(error.message, "bad"));
  };
  const png = async () => {
    if (now?.plot) save(await picture(now.plot.canvas, label, now.lines, paperOf(theme)), fileName(label, "png"));
  };
  const table = async () => {
    const names = new Map(rows.map((row) => [row.key, row.name || row.id]));
    const asked = rows.map((row) => ({ run: row.key, name: label }));
    const series = await workspace.source.series({ series: asked, x: view.x, from: null, to: null, points: 20_000, after: null });
    const thinned = series.some((one) => !one.complete);
    save(new Blob([csv(series, (key) => names.get(key) ?? key, nameOf(view.x), label)], { type: "text/csv" }), fileName(label, "csv"));
    if (thinned) say("Long series were thinned to 20,000 points; `etm export` writes them all.");
  };
  const close = (event: FocusEvent) => {
    const left = menu.current; // none if the page has let go of it, which takes the focus too
    if (left && !left.contains(event.relatedTarget as Node | null)) left.open = false;
  };
  return (
    <details class="chart-menu" ref={menu} onFocusOut={close} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary aria-label={`More for ${label}`} title="More">
        <Icon name="more" />
      </summary>
      {open && (
        <div role="menu">
          <button type="button" role="menuitemcheckbox" aria-checked={logY} onClick={act(() => acts.log(label))}>
            {logY ? "Linear y axis" : "Logarithmic y axis"}
          </button>
          <button type="button" role="menuitem" disabled={!now?.plot} onClick={act(png)}>
            Picture (PNG)
          </button>
          <button type="button" role="menuitem" onClick={act(table)}>
            Values (CSV)
          </button>
          {!tall && (
            <>
              <button type="button" role="menuitem" onClick={act(() => acts.move(label, -1))}>
                Move back
              </button>
              <button type="button" role="menuitem" onClick={act(() => acts.move(label, 1))}>
                Move on
              </button>
            </>
          )}
        </div>
      )}
    </details>
  );
}

function onKey(event: KeyboardEvent, label: string, acts: ChartActs): void {
  if ((event.target as HTMLElement).closest("input, select, textarea")) return;
  const arrows: Record<string, number> = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
  const by = arrows[event.key];
  if (event.altKey && by) acts.move(label, by);
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key === "f") acts.full(label);
  else if (event.key === "p") acts.pin(label);
  else if (event.key === "l") acts.log(label);
  else return;
  event.preventDefault();
}

const KIND = "text/x-etm-chart";

function useDrag(label: string, acts: ChartActs) {
  const handle = {
    draggable: true,
    onDragStart: (event: DragEvent) => {
      event.dataTransfer!.setData(KIND, label);
      event.dataTransfer!.effectAllowed = "move";
      event.dataTransfer!.setDragImage((event.currentTarget as HTMLElement).closest("figure")!, 20, 20);
    },
  };
  const ours = (event: DragEvent) => event.dataTransfer?.types.includes(KIND);
  const target = {
    onDragOver: (event: DragEvent) => {
      if (!ours(event)) return;
      event.preventDefault();
      (event.currentTarget as HTMLElement).classList.add("over");
    },
    onDragLeave: (event: DragEvent) => (event.currentTarget as HTMLElement).classList.remove("over"),
    onDrop: (event: DragEvent) => {
      (event.currentTarget as HTMLElement).classList.remove("over");
      const moved = event.dataTransfer?.getData(KIND);
      if (!moved || moved === label) return;
      event.preventDefault();
      acts.move(moved, label);
    },
  };
  return { handle, target };
}
