/** The answers of the HTTP API, as docs/ui.md has them. Times are Unix seconds; NaN and infinities are texts. */

export type Plain = null | boolean | number | string | Plain[] | { [name: string]: Plain };
export type Odd = "nan" | "inf" | "-inf";
export type Num = number | Odd;
export type Mode = "min" | "max";

export type Status =
  | "running"
  | "finished"
  | "failed"
  | "crashed"
  | "interrupted"
  | "preempted"
  | "pruned";

export interface StoreInfo {
  id: string;
  name: string;
  path: string;
  projects: string[];
}

/** A page with all that its address holds, by a name. */
export interface View {
  name: string;
  /** From the `#` on. */
  address: string;
}

export interface Session {
  /** Whether figures of plotly are drawn; what an exported page lacks. */
  plotly?: boolean;
  version: string;
  readonly: boolean;
  stores: StoreInfo[];
}

export interface Row {
  key: string;
  store: string;
  project: string;
  id: string;
  name: string;
  group: string;
  status: Status;
  created: number;
  started: number | null;
  ended: number | null;
  duration: number | null;
  attempts: number;
  tags: string[];
  notes: string;
  archived: boolean;
  trashed: boolean;
  question: string;
  forked_from: string;
  evaluates: string;
  /** Hash of what runs that differ only by seed have in common; empty if there is none. */
  replicates: string;
  seed: number | null;
  params: Record<string, Plain>;
  metrics: Record<string, Num>;
  monitor: { name: string; mode: Mode } | null;
  alerts: number;
  damage: number;
}

export interface RunsQuery {
  store?: string | undefined;
  project?: string | undefined;
  group?: string | undefined;
  q?: string | undefined;
  sort?: string | undefined;
  offset?: number | undefined;
  limit?: number | undefined;
  archived?: boolean | undefined;
  trashed?: boolean | undefined;
  keys?: string[] | undefined;
  /** As the server last saw them: what changed since comes as an event. */
  known?: boolean | undefined;
  /** Of settings and metrics only these, `param.lr`, `metric.val/f1`. */
  columns?: string[] | undefined;
}

export interface RunsAnswer {
  total: number;
  runs: Row[];
}

export interface ParamColumn {
  name: string;
  count: number;
  numeric: boolean;
  values?: Plain[];
}

export interface MetricColumn {
  name: string;
  count: number;
  min: Num | null;
  max: Num | null;
}

export interface Columns {
  params: ParamColumn[];
  metrics: MetricColumn[];
}

export interface Point {
  step: number;
  epoch: number | null;
  time: number;
  value: Num;
}

export interface SeriesInfo {
  name: string;
  label: string;
  stage: string;
  axis: string;
  rank: number;
  count: number;
  nonfinite: number;
  latest: Point | null;
  min: Num | null;
  max: Num | null;
}

export interface Checkpoint {
  id: string;
  step: number;
  epoch: number | null;
  time: number;
  path: string;
  monitor: string;
  mode: string;
  score: Num | null;
  best: boolean;
  [more: string]: Plain;
}

export interface Artifact {
  id: string;
  name: string;
  type: string;
  size: number | null;
  sha256: string;
  aliases: string[];
  info: Record<string, Plain>;
  path?: string;
  time?: number;
  /** Whether its file lies in the run's folder, from which alone files are sent. */
  served?: boolean;
}

export interface Media {
  id: string;
  name: string;
  type: string;
  stage: string;
  step: number | null;
  epoch: number | null;
  caption: string;
  index: number;
  size: number;
  suffix: string;
  axis?: string;
  info?: Record<string, Plain>;
  time?: number;
}

export interface TextRecord {
  name: string;
  stage: string;
  step: number | null;
  text: string;
}

export interface Alert {
  time: number;
  level: string;
  title: string;
  text: string;
  step: number | null;
}

export interface Attempt {
  attempt: number;
  started: number | null;
  ended: number | null;
  host: string;
  pid: number;
  parent: number | null;
  checkpoint: string;
  status: string;
}

export interface Log {
  id: string;
  name: string;
  size: number;
}

export interface Damage {
  file: string;
  offset: number;
  size: number;
  reason: string;
}

export interface EditRecord {
  time: number;
  op: string;
  value: string;
}

export interface RunDetail {
  row: Row;
  folder?: string;
  method?: string;
  reason: string;
  traceback: string;
  exit_code: number | null;
  signal: string | number | null;
  config: Record<string, Plain>;
  info: Record<string, Record<string, Plain>>;
  reproduce: string[];
  series: SeriesInfo[];
  checkpoints: Checkpoint[];
  artifacts: Artifact[];
  media: Media[];
  texts: TextRecord[];
  alerts: Alert[];
  gaps: { time: number; lost: number; since: number; reason: string }[];
  damage: Damage[];
  attempts: Attempt[];
  edits: EditRecord[];
  logs: Log[];
}

export interface Edit {
  name?: string;
  notes?: string;
  tags?: { add?: string[]; remove?: string[] };
  archived?: boolean;
  trashed?: boolean;
}

export interface SeriesKey {
  run: string;
  name: string;
  stage?: string;
  axis?: string;
  rank?: number;
  superseded?: boolean;
}

export type X = "step" | "epoch" | "time" | "relative" | "samples" | { metric: string };

export interface SeriesQuery {
  series: SeriesKey[];
  x: X;
  from: number | null;
  to: number | null;
  points: number;
  /** Cursors of an earlier answer, one for each series: only what came since. */
  after: number[] | null;
  /** Seconds after which no more runs are read for this answer. */
  within?: number;
}

/** What the header of an answer says about one of its series. */
export interface SeriesHead {
  run: string;
  name: string;
  label: string;
  stage: string;
  axis: string;
  rank: number;
  n: number;
  total: number;
  /** All points are here, none was thinned out. */
  complete: boolean;
  first: number | null;
  last: number | null;
  nonfinite: [number, Odd][];
  attempts: [number, number][];
  cursor: number;
  /** What came before does not count any more: a new attempt made it void. */
  reset?: boolean;
  /** The server has yet to read the run: to be asked for again. */
  later?: boolean;
  /** Why there is nothing, where one may wonder. */
  why?: string;
}

export interface SeriesData extends SeriesHead {
  x: Float64Array;
  y: Float64Array;
}

export interface TablePage {
  columns: string[];
  rows: Plain[][];
  total: number;
}

export interface GroupStats {
  label: string;
  n: number;
  mean: Num | null;
  sd: Num | null;
}

export interface Delta {
  mean: Num | null;
  ci: [Num, Num] | null;
  p: Num | null;
  test: string;
}

export interface CompareMetric {
  name: string;
  mode: Mode | null;
  values: (Num | null)[];
  groups: GroupStats[];
  delta: (Delta | null)[];
}

export interface Compare {
  runs: Row[];
  config: { name: string; values: Plain[]; differs: boolean }[];
  info: { about: string; name: string; values: Plain[]; differs: boolean }[];
  packages: { name: string; values: (string | null)[] }[];
  code: { key: string; commit: string | null; dirty: boolean | null; diff?: string }[];
  code_diff: string | null;
  metrics: CompareMetric[];
}

export interface Group {
  store: string;
  project: string;
  group: string;
  runs: number;
  status: Partial<Record<Status, number>>;
  created: number;
  /** Whether a search made it. */
  study: boolean;
}

export interface Trial {
  number: number;
  /** Empty or null before it has a run. */
  key: string | null;
  status: string;
  params: Record<string, Plain>;
  value: Num | null;
  /** Of several objectives, in their order. */
  values?: (Num | null)[] | null;
  reason?: string;
  started?: number | null;
  duration?: number | null;
}

export interface Objective {
  name: string;
  direction: "minimize" | "maximize" | "min" | "max";
}

export interface Study {
  group: string;
  objective: Objective | null;
  /** All of them, where there are several. */
  objectives?: Objective[] | null;
  params: string[];
  trials: Trial[];
  best: string | null;
  importance: { name: string; value: number }[] | null;
  why: string;
}

export interface Changed {
  changed: string[];
  added: string[];
  removed: string[];
}

export interface ExportQuery {
  keys: string[];
  title?: string;
  points?: number;
}
