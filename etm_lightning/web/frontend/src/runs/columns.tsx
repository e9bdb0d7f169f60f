import type { ComponentChildren } from "preact";

import type { Columns, Plain, Row } from "../api/types";
import { date, duration } from "../numbers/format";
import { ago, shown, spread, took } from "../words";
import { common, stats } from "./fold";

export interface Column {
  /** As `sort` and the address name it: `created`, `param.lr`, `metric.val/f1`. */
  id: string;
  label: string;
  width: number;
  right?: boolean;
  metric?: string;
  cell: (row: Row) => ComponentChildren;
  /** The text of a cell, for its tooltip. */
  full?: (row: Row) => string;
  /** What a line of several runs shows. */
  folded: (rows: Row[]) => ComponentChildren;
}

const same = (rows: Row[], of: (row: Row) => Plain | undefined): ComponentChildren => {
  const value = common(rows, of);
  return value === undefined ? <span class="faint">varies</span> : shown(value);
};

const bounds = (rows: Row[], of: (row: Row) => number): [number, number] => [
  Math.min(...rows.map(of)),
  Math.max(...rows.map(of)),
];

const FIXED: Column[] = [
  {
    id: "status",
    label: "Status",
    width: 104,
    cell: (row) => row.status,
    folded: (rows) => {
      const counts = new Map<string, number>();
      for (const row of rows) counts.set(row.status, (counts.get(row.status) ?? 0) + 1);
      return counts.size === 1 ? rows[0]?.status : [...counts].map(([status, n]) => `${n} ${status}`).join(", ");
    },
  },
  {
    id: "created",
    label: "Created",
    width: 104,
    cell: (row) => <time dateTime={date(row.created)}>{ago(row.created)}</time>,
    full: (row) => date(row.created),
    folded: (rows) => ago(bounds(rows, (row) => row.created)[1]),
  },
  {
    id: "duration",
    label: "Took",
    width: 92,
    right: true,
    cell: (row) => span(took(row)),
    folded: (rows) => {
      const known = rows.map((row) => took(row)).filter((seconds): seconds is number => seconds !== null);
      return known.length ? `Σ ${duration(known.reduce((a, b) => a + b, 0))}` : "–";
    },
  },
  {
    id: "group",
    label: "Group",
    width: 140,
    cell: (row) => row.group || <span class="faint">–</span>,
    full: (row) => row.group,
    folded: (rows) => same(rows, (row) => row.group),
  },
  {
    id: "project",
    label: "Project",
    width: 120,
    cell: (row) => row.project,
    folded: (rows) => same(rows, (row) => row.project),
  },
  { id: "seed", label: "Seed", width: 64, right: true, cell: (row) => shown(row.seed), folded: (rows) => same(rows, (row) => row.seed) },
  {
    id: "alerts",
    label: "Alerts",
    width: 66,
    right: true,
    cell: (row) => (row.alerts ? <span class="warn">{row.alerts}</span> : <span class="faint">–</span>),
    folded: (rows) => rows.reduce((sum, row) => sum + row.alerts, 0) || <span class="faint">–</span>,
  },
  { id: "attempts", label: "Attempts", width: 80, right: true, cell: (row) => row.attempts, folded: (rows) => same(rows, (row) => row.attempts) },
  { id: "id", label: "Id", width: 300, cell: (row) => <code>{row.id}</code>, full: (row) => row.id, folded: () => "" },
];

const span = (seconds: number | null): string => (seconds === null ? "–" : duration(seconds));

export const FIXED_IDS = [...FIXED.map((column) => column.id), "tags", "notes"];

/** The column that an id names; `tags` and `notes`, which can be edited, are drawn by the table. */
export function columnOf(id: string): Column {
  if (id.startsWith("param.")) return param(id.slice(6));
  if (id.startsWith("metric.")) return metric(id.slice(7));
  const words = { tags: ["Tags", 170], notes: ["Notes", 200] } as Record<string, [string, number]>;
  const [label, width] = words[id] ?? [id, 120];
  return FIXED.find((column) => column.id === id) ?? { id, label, width, cell: () => "", folded: (rows) => tagsOf(rows, id) };
}

function tagsOf(rows: Row[], id: string): ComponentChildren {
  if (id !== "tags") return "";
  const tags = [...new Set(rows.flatMap((row) => row.tags))];
  return tags.map((tag) => (
    <span key={tag} class="tag">
      {tag}
    </span>
  ));
}

function param(name: string): Column {
  const of = (row: Row): Plain | undefined => row.params[name];
  return {
    id: `param.${name}`,
    label: name,
    width: Math.min(190, Math.max(84, name.length * 7.5 + 34)),
    cell: (row) => (name in row.params ? shown(of(row) === "" ? '""' : of(row)) : <span class="faint">–</span>),
    full: (row) => shown(of(row)),
    folded: (rows) => same(rows, of),
  };
}

function metric(name: string): Column {
  return {
    id: `metric.${name}`,
    label: name,
    metric: name,
    right: true,
    width: Math.max(164, Math.min(220, name.length * 7.5 + 34)),
    cell: (row) => (name in row.metrics ? shown(row.metrics[name]) : <span class="faint">–</span>),
    full: (row) => (name in row.metrics ? String(row.metrics[name]) : ""),
    folded: (rows) => {
      const found = stats(rows, name);
      if (!found) return <span class="faint">–</span>;
      return (
        <>
          {spread(found.mean, found.sd)} <small class="faint">n={found.n}</small>
        </>
      );
    },
  };
}

/** Which columns a table has until somebody chooses: settings that differ, and the metrics that decide. */
export function usual(columns: Columns | null, rows: Row[], projects: number): string[] {
  const params = (columns?.params ?? []).filter((one) => one.name !== "seed" && !one.name.endsWith(".seed"));
  const varying = params.filter((one) => !one.values || one.values.length > 1).map((one) => one.name);
  const watched = [...new Set(rows.flatMap((row) => (row.monitor ? [row.monitor.name] : [])))];
  const known = new Set((columns?.metrics ?? []).map((one) => one.name));
  const others = (columns?.metrics ?? []).map((one) => one.name).filter((name) => /^(val|test|valid|eval)/.test(name));
  const decisive = [...new Set([...watched.filter((name) => known.has(name)), ...others])];
  const metrics = decisive.length ? decisive.slice(0, 3) : [...known].slice(0, 2);
  return [
    "status",
    ...metrics.map((name) => `metric.${name}`),
    ...varying.slice(0, 5).map((name) => `param.${name}`),
    ...(rows.some((row) => row.seed !== null) ? ["seed"] : []),
    ...(projects > 1 ? ["project"] : []),
    "tags",
    ...(rows.some((row) => row.group) ? ["group"] : []),
    "created",
    "duration",
    "notes",
  ];
}
