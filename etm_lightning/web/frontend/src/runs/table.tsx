import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { useApp } from "../app";
import { go, href, path } from "../router";
import type { Column } from "./columns";
import { HEIGHT, keysOf, type Editing, type Item } from "./items";
import { Line } from "./line";
import type { Selection } from "./selection";
import { useSparks } from "./sparks";

const AROUND = 8;
const NAME = 280;

interface Props {
  count: number;
  item: (index: number) => Item | undefined;
  want: (first: number, last: number) => void;
  columns: Column[];
  sort: string;
  onSort: (sort: string) => void;
  selection: Selection;
  /** Runs whose curves are beside the table: they show their colours. */
  drawn: readonly string[];
  onAll: () => void;
  onOpen: (id: string) => void;
  onEdit: (editing: Editing) => void;
  stale: boolean;
}

/** A grid of many lines, of which only those in sight are in the page. The focus stays on the grid itself. */
export function Table(props: Props) {
  const { count, item, want, columns, selection } = props;
  const { colours, theme } = useApp();
  const box = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 600 });
  const [active, setActive] = useState(0);
  const anchor = useRef(0);
  const first = Math.max(0, Math.floor(scroll.top / HEIGHT) - AROUND);
  const last = Math.min(count - 1, Math.ceil((scroll.top + scroll.height) / HEIGHT) + AROUND);
  const lines = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

  useEffect(() => want(first, last), [first, last, count, want]);
  useLayoutEffect(() => {
    const measure = (): void => {
      const at = box.current;
      if (at) setScroll({ top: at.scrollTop, height: at.clientHeight });
    };
    measure();
    const watcher = new ResizeObserver(measure);
    if (box.current) watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);

  const metrics = useMemo(() => columns.flatMap((column) => column.metric ?? []), [columns]);
  const shown = lines.flatMap((index) => {
    const one = item(index);
    return one?.kind === "row" ? [one.row.key] : [];
  });
  const spark = useSparks(metrics, shown);

  const reveal = (index: number): void => {
    const at = box.current;
    if (!at) return;
    const top = index * HEIGHT;
    const room = at.clientHeight - HEIGHT;
    if (top < at.scrollTop) at.scrollTop = top;
    else if (top + HEIGHT > at.scrollTop + room) at.scrollTop = top + HEIGHT - room;
  };
  const move = (to: number, extend: boolean): void => {
    const index = Math.max(0, Math.min(count - 1, to));
    setActive(index);
    reveal(index);
    if (extend) range(index);
    else anchor.current = index;
  };
  const range = (to: number): void => {
    const [low, high] = [Math.min(anchor.current, to), Math.max(anchor.current, to)];
    const keys = Array.from({ length: high - low + 1 }, (_, i) => item(low + i)).flatMap((one) => (one ? keysOf(one) : []));
    selection.set([...selection.keys, ...keys]);
  };
  const pick = (index: number, extend: boolean): void => {
    const one = item(index);
    setActive(index);
    if (extend) range(index);
    else if (one) selection.toggle(keysOf(one));
    anchor.current = index;
  };

  const pressed = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(scroll.height / HEIGHT) - 2);
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      j: active + 1,
      k: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: count - 1,
    };
    const here = item(active);
    const step = steps[event.key];
    if (event.target !== box.current) return;
    if (event.key === "a" && (event.ctrlKey || event.metaKey)) props.onAll();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (step !== undefined) move(step, event.shiftKey);
    else if (event.key === " " || event.key === "x") pick(active, event.shiftKey);
    else if (event.key === "Escape") selection.set([]);
    else if (event.key === "Enter" && here?.kind === "row") go(href(path("run", here.row.key)));
    else if (["Enter", "ArrowRight", "ArrowLeft"].includes(event.key) && here?.kind === "fold") {
      if (event.key === "Enter" || here.open === (event.key === "ArrowLeft")) props.onOpen(here.id);
    } else if (["t", "n", "r"].includes(event.key) && here?.kind === "row") edit(event.key, here.row.key);
    else return;
    event.preventDefault();
  };
  const edit = (key: string, run: string): void => {
    const field = ({ t: "tags", n: "notes", r: "name" } as const)[key as "t" | "n" | "r"];
    const line = document.getElementById(`line-${active}`);
    const cell = line?.querySelector(`[data-column="${field}"]`) ?? line;
    if (cell) props.onEdit({ field, key: run, anchor: cell.getBoundingClientRect() });
  };

  const template = `34px ${NAME}px ${columns.map((column) => `${column.width}px`).join(" ")} minmax(12px, 1fr)`;
  const all = count > 0 && selection.keys.size > 0 && lines.every((index) => {
    const one = item(index);
    return one !== undefined && keysOf(one).every((key) => selection.keys.has(key));
  });
  return (
    <div
      ref={box}
      class={`grid${props.stale ? " stale" : ""}`}
      role="grid"
      aria-label="Runs"
      aria-rowcount={count + 1}
      aria-colcount={columns.length + 2}
      aria-multiselectable="true"
      aria-activedescendant={count ? `line-${active}` : undefined}
      tabIndex={0}
      onKeyDown={pressed}
      onScroll={(event) => setScroll({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}
    >
      <div class="grid-head" role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
        <div role="columnheader" class="pick" aria-label="Chosen">
          <input type="checkbox" tabIndex={-1} checked={all} aria-label="Choose all runs" onChange={() => (all ? selection.set([]) : props.onAll())} />
        </div>
        <Head id="name" label="Run" {...props} />
        {columns.map((column) => (
          <Head key={column.id} id={column.id} label={column.label} right={column.right} {...props} />
        ))}
      </div>
      <div class="grid-body" role="rowgroup" style={{ height: `${count * HEIGHT}px` }}>
        {lines.map((index) => {
          const one = item(index);
          const keys = one ? keysOf(one) : [];
          const chosen = keys.length > 0 && keys.every((key) => selection.keys.has(key));
          return (
            <Line
              key={one?.id ?? index}
              index={index}
              item={one}
              columns={columns}
              template={template}
              active={index === active}
              chosen={chosen}
              colour={one?.kind === "row" && (chosen || props.drawn.includes(one.row.key)) ? colours.of(one.row.key, theme) : undefined}
              spark={spark}
              onPick={(extend) => pick(index, extend)}
              onActive={() => setActive(index)}
              onOpen={props.onOpen}
              onEdit={props.onEdit}
            />
          );
        })}
      </div>
    </div>
  );
}

interface HeadProps {
  id: string;
  label: string;
  right?: boolean | undefined;
  sort: string;
  onSort: (sort: string) => void;
}

function Head({ id, label, right, sort, onSort }: HeadProps) {
  const up = sort === id;
  const down = sort === `-${id}`;
  const sortable = id !== "tags" && id !== "notes";
  return (
    <div role="columnheader" class={`head-cell${right ? " num" : ""}${id === "name" ? " stuck" : ""}`} aria-sort={up ? "ascending" : down ? "descending" : "none"}>
      <button type="button" class="plain" tabIndex={-1} disabled={!sortable} title={sortable ? `${label}: sort` : label} onClick={() => onSort(down ? id : `-${id}`)}>
        <span class="ellipsis">{label}</span>
        {(up || down) && <span aria-hidden="true">{up ? "↑" : "↓"}</span>}
      </button>
    </div>
  );
}
