import { inOrder } from "../words";
import { SourceError, type Source } from "./source";
import { thin } from "./thin";
import type {
  Columns,
  Compare,
  Group,
  Num,
  Odd,
  Plain,
  Row,
  RunDetail,
  RunsAnswer,
  RunsQuery,
  SeriesData,
  SeriesKey,
  SeriesQuery,
  Session,
  Study,
  TablePage,
} from "./types";

/**
 * Numbers of an exported page, by their form:
 * a list as it is; `"f8:…"`, `"f4:…"`, `"i4:…"` in base64, little-endian; `["range", first, stride, n]`.
 */
export type Packed = number[] | string | ["range", number, number, number];

/** One series of an exported page, perhaps thinned when it was written. Every x has as many numbers as y. */
export interface EmbeddedSeries {
  run: string;
  name: string;
  label: string;
  stage: string;
  axis: string;
  rank: number;
  /** How many points there were before it was thinned. */
  total: number;
  complete: boolean;
  /** By name: step (always), epoch, time, relative, samples. */
  x: Record<string, Packed>;
  y: Packed;
  /** Points that are no numbers: by their place in time, with every x that `x` has. */
  nonfinite?: { x: Record<string, number>; value: Odd }[];
  /** Where attempts after the first begin. */
  attempts?: { x: Record<string, number>; attempt: number }[];
}

/** What `<script type="application/json" id="etm-data">` of an exported page holds. */
export interface Embedded {
  title: string;
  created: number;
  /** The hash address that the page opens at, `#/compare?keys=…`. */
  view: string;
  session: Session;
  runs: RunDetail[];
  series: EmbeddedSeries[];
  compare: Compare | null;
  groups: Group[];
  /** By `<store>/<project>/<group>`. */
  studies: Record<string, Study>;
  /** By `<run key>/<media id>`: a data: address, or the JSON of a table, matrix, curve or histogram. */
  media: Record<string, string | Plain>;
  /** By `<run key>/<log id>`. */
  logs: Record<string, string>;
}

/** Reads the data that an exported page holds; null on a page of a server. */
export function embedded(page: Document = document): Embedded | null {
  const text = page.getElementById("etm-data")?.textContent;
  return text ? (JSON.parse(text) as Embedded) : null;
}

const ARRAYS = { f8: Float64Array, f4: Float32Array, i4: Int32Array } as const;

/** Makes numbers of what stands for them. */
export function unpack(packed: Packed): Float64Array {
  if (typeof packed === "string") {
    const kind = ARRAYS[packed.slice(0, 2) as keyof typeof ARRAYS];
    const bytes = Uint8Array.from(atob(packed.slice(3)), (letter) => letter.charCodeAt(0));
    return Float64Array.from(new kind(bytes.buffer));
  }
  if (packed[0] !== ("range" as unknown)) return Float64Array.from(packed as number[]);
  const [, first, stride, n] = packed as ["range", number, number, number];
  return Float64Array.from({ length: n }, (_, i) => first + i * stride);
}

const identity = (one: SeriesKey): string =>
  JSON.stringify([one.run, one.name, one.stage ?? "", one.axis ?? "step", one.rank ?? 0]);

/** Reads an exported page: nothing changes, nothing is asked of anybody. */
export class EmbeddedSource implements Source {
  readonly frozen = true;
  private readonly data: Embedded;
  private readonly lines = new Map<string, EmbeddedSeries>();
  private readonly numbers = new Map<Packed, Float64Array>();

  constructor(data: Embedded) {
    this.data = data;
    for (const one of data.series) this.lines.set(identity(one), one);
  }

  async session(): Promise<Session> {
    return this.data.session;
  }

  async runs(asked: RunsQuery): Promise<RunsAnswer> {
    const rows = this.data.runs.map((run) => run.row).filter((row) => wanted(row, asked));
    const sorted = sortRows(rows, asked.sort ?? "-created");
    const first = asked.offset ?? 0;
    return { total: sorted.length, runs: sorted.slice(first, first + (asked.limit ?? 500)) };
  }

  async columns(asked: RunsQuery): Promise<Columns> {
    return columnsOf((await this.runs({ ...asked, limit: Infinity })).runs);
  }

  async sparks(metric: string, keys: string[], points = 40): Promise<Record<string, (number | null)[]>> {
    const found: Record<string, (number | null)[]> = {};
    for (const key of keys) {
      const line = this.data.series.find((one) => one.run === key && (one.name === metric || one.label === metric));
      if (!line) continue;
      const y = this.unpacked(line.y);
      found[key] = thin(y, 0, y.length, points).map((i) => y[i] as number);
    }
    return found;
  }

  async run(key: string): Promise<RunDetail> {
    const run = this.data.runs.find((one) => one.row.key === key);
    if (!run) throw new SourceError("this run is not in the exported page", 404);
    return run;
  }

  edit(): Promise<Row> {
    return refused();
  }

  remove(): Promise<void> {
    return refused();
  }

  async series(asked: SeriesQuery): Promise<SeriesData[]> {
    return asked.series.flatMap((one) => {
      const line = this.lines.get(identity(one)) ?? this.loosely(one);
      const piece = line && this.piece(line, asked);
      return piece ? [piece] : [];
    });
  }

  events(): () => void {
    return () => undefined;
  }

  mediaUrl(key: string, id: string): string {
    const held = this.data.media[`${key}/${id}`];
    return typeof held === "string" && held.startsWith("data:") ? held : "";
  }

  views(): Promise<never[]> {
    return Promise.resolve([]);
  }

  keepView(): Promise<never> {
    return Promise.reject(new SourceError("an exported page keeps no views", 403));
  }

  figureUrl(): string {
    return "";
  }

  artifactUrl(): string {
    return "";
  }

  async media(key: string, id: string): Promise<unknown> {
    const held = this.data.media[`${key}/${id}`];
    if (held === undefined) throw new SourceError("this was left out of the exported page", 404);
    return held;
  }

  async log(key: string, id: string): Promise<string> {
    const held = this.data.logs[`${key}/${id}`];
    if (held === undefined) throw new SourceError("this log was left out of the exported page", 404);
    return held;
  }

  async table(key: string, id: string, offset: number, limit: number): Promise<TablePage> {
    const whole = (await this.media(key, id)) as { columns: string[]; rows: Plain[][] };
    return { columns: whole.columns, rows: whole.rows.slice(offset, offset + limit), total: whole.rows.length };
  }

  async compare(keys: string[]): Promise<Compare> {
    const held = this.data.compare;
    if (!held || keys.some((key) => !held.runs.some((row) => row.key === key))) {
      throw new SourceError("the exported page holds no comparison of these runs", 404);
    }
    return held;
  }

  async groups(): Promise<Group[]> {
    return this.data.groups;
  }

  async study(store: string, project: string, group: string): Promise<Study> {
    const held = this.data.studies[`${store}/${project}/${group}`];
    if (!held) throw new SourceError("this study is not in the exported page", 404);
    return held;
  }

  export(): Promise<Blob> {
    return refused();
  }

  /** A series that was asked for without its stage. */
  private loosely(one: SeriesKey): EmbeddedSeries | undefined {
    if (one.stage) return undefined;
    return this.data.series.find(
      (held) => held.run === one.run && held.name === one.name && held.rank === (one.rank ?? 0),
    );
  }

  private unpacked(packed: Packed): Float64Array {
    const known = this.numbers.get(packed);
    if (known) return known;
    const made = unpack(packed);
    this.numbers.set(packed, made);
    return made;
  }

  private piece(line: EmbeddedSeries, asked: SeriesQuery): SeriesData | null {
    const name = typeof asked.x === "string" ? asked.x : "";
    const aligned = name ? this.along(line, name) : this.against(line, (asked.x as { metric: string }).metric);
    if (!aligned) return null;
    const [x, y] = aligned;
    const from = asked.from === null ? 0 : Math.max(0, x.findIndex((value) => value >= (asked.from as number)) - 1);
    const past = asked.to === null ? -1 : x.findIndex((value) => value > (asked.to as number));
    const to = past < 0 ? x.length : Math.min(x.length, past + 1);
    const kept = name ? thin(y, from, to, asked.points) : Array.from({ length: x.length }, (_, i) => i);
    const { run, label, stage, axis, rank, total, complete } = line;
    return {
      ...{ run, name: line.name, label, stage, axis, rank, total, n: kept.length },
      complete: complete && kept.length === to - from,
      first: x[0] ?? null,
      last: x[x.length - 1] ?? null,
      nonfinite: (line.nonfinite ?? []).flatMap((odd) => pair(odd.x[name], odd.value)),
      attempts: (line.attempts ?? []).flatMap((one) => pair(one.x[name], one.attempt)),
      cursor: line.total,
      x: Float64Array.from(kept, (i) => x[i] as number),
      y: Float64Array.from(kept, (i) => y[i] as number),
    };
  }

  private along(line: EmbeddedSeries, x: string): [Float64Array, Float64Array] | null {
    const packed = line.x[x] ?? (x === "samples" ? line.x["step"] : undefined);
    return packed ? [this.unpacked(packed), this.unpacked(line.y)] : null;
  }

  /** One metric against another of the same run, where both have a value at the same step. */
  private against(line: EmbeddedSeries, metric: string): [Float64Array, Float64Array] | null {
    const other = this.data.series.find((one) => one.run === line.run && (one.name === metric || one.label === metric));
    if (!other?.x["step"] || !line.x["step"]) return null;
    const values = this.unpacked(other.y);
    const at = new Map(Array.from(this.unpacked(other.x["step"]), (step, i) => [step, values[i] as number]));
    const y = this.unpacked(line.y);
    const pairs = Array.from(this.unpacked(line.x["step"]), (step, i) => [at.get(step), y[i]] as const);
    const both = pairs.filter((one): one is readonly [number, number] => one[0] !== undefined);
    return [Float64Array.from(both, (one) => one[0]), Float64Array.from(both, (one) => one[1])];
  }
}

function pair<T>(x: number | undefined, value: T): [number, T][] {
  return x === undefined ? [] : [[x, value]];
}

function refused<T>(): Promise<T> {
  return Promise.reject(new SourceError("an exported page cannot be changed", 405));
}

function wanted(row: Row, asked: RunsQuery): boolean {
  if (asked.keys?.length && !asked.keys.includes(row.key)) return false;
  if (asked.store && asked.store !== row.store) return false;
  if (asked.project && asked.project !== row.project) return false;
  if (asked.group && asked.group !== row.group) return false;
  if (!asked.q) return true;
  const tag = /^"(.*)" in tags$/.exec(asked.q.trim())?.[1];
  return tag === undefined ? textOf(row).includes(asked.q.toLowerCase().trim()) : row.tags.includes(tag);
}

function textOf(row: Row): string {
  const params = Object.entries(row.params).map(([name, value]) => `${name}=${String(value)}`);
  return [row.name, row.id, row.group, row.status, row.notes, ...row.tags, ...params].join("\n").toLowerCase();
}

/** The value of a column, by the name that `sort` gives it. */
export function columnValue(row: Row, column: string): Plain {
  if (column.startsWith("param.")) return row.params[column.slice(6)] ?? null;
  if (column.startsWith("metric.")) return row.metrics[column.slice(7)] ?? null;
  const value = (row as unknown as Record<string, Plain>)[column];
  return value === undefined || value === "" ? null : Array.isArray(value) ? value.join(", ") : value;
}

/** Sorts rows by a column, missing values last whichever way. */
export function sortRows(rows: Row[], sort: string): Row[] {
  const down = sort.startsWith("-");
  const column = down ? sort.slice(1) : sort;
  const valued = rows.map((row) => [columnValue(row, column), row] as const);
  valued.sort(([a], [b]) => {
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    const order =
      typeof a === "number" && typeof b === "number" ? a - b : inOrder(String(a), String(b));
    return down ? -order : order;
  });
  return valued.map(([, row]) => row);
}

/** Which params and metrics rows have. */
export function columnsOf(rows: Row[]): Columns {
  const params = new Map<string, Plain[]>();
  const metrics = new Map<string, Num[]>();
  for (const row of rows) {
    for (const [name, value] of Object.entries(row.params)) into(params, name, value);
    for (const [name, value] of Object.entries(row.metrics)) into(metrics, name, value);
  }
  const numbers = (values: Num[]): number[] => values.filter((value): value is number => typeof value === "number");
  const bound = (values: number[], of: (...all: number[]) => number): number | null =>
    values.length ? values.reduce((a, b) => of(a, b)) : null;
  return {
    params: [...params].map(([name, values]) => ({
      name,
      count: values.length,
      numeric: values.every((value) => typeof value === "number"),
      values: different(values).slice(0, 30),
    })),
    metrics: [...metrics].map(([name, values]) => ({
      name,
      count: values.length,
      min: bound(numbers(values), Math.min),
      max: bound(numbers(values), Math.max),
    })),
  };
}

/** Each value once; lists and objects by what is in them. */
function different(values: readonly Plain[]): Plain[] {
  const told = (value: Plain) => (typeof value === "object" ? JSON.stringify(value) : value);
  return [...new Map(values.map((value) => [told(value), value])).values()];
}

function into<T>(lists: Map<string, T[]>, name: string, value: T): void {
  const list = lists.get(name);
  if (list) list.push(value);
  else lists.set(name, [value]);
}
