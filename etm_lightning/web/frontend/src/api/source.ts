import type {
  Changed,
  Columns,
  Compare,
  Edit,
  ExportQuery,
  Group,
  Row,
  RunDetail,
  RunsAnswer,
  RunsQuery,
  SeriesData,
  SeriesQuery,
  Session,
  Study,
  TablePage,
  View,
} from "./types";

/** Where a page gets its data: a server, or the page itself when it was exported. */
export interface Source {
  /** True where nothing can be changed and nothing comes in later: an exported page. */
  readonly frozen: boolean;
  session(): Promise<Session>;
  runs(query: RunsQuery, signal?: AbortSignal): Promise<RunsAnswer>;
  columns(query: RunsQuery): Promise<Columns>;
  sparks(metric: string, keys: string[], points?: number): Promise<Record<string, (number | null)[]>>;
  run(key: string): Promise<RunDetail>;
  edit(key: string, edit: Edit): Promise<Row>;
  remove(key: string): Promise<void>;
  series(query: SeriesQuery, signal?: AbortSignal): Promise<SeriesData[]>;
  /** Calls back when runs change; returns what ends that. */
  events(keys: string[] | null, changed: (what: Changed) => void): () => void;
  views(): Promise<View[]>;
  /** Keeps a view by its name; without an address it is forgotten. Returns all. */
  keepView(name: string, address: string): Promise<View[]>;
  /** A page that draws a figure of plotly; empty where none does. */
  figureUrl(key: string, id: string): string;
  /** An address for <img>, <a>, <iframe>; empty if the file is not here. */
  mediaUrl(key: string, id: string): string;
  artifactUrl(key: string, id: string): string;
  media(key: string, id: string): Promise<unknown>;
  log(key: string, id: string, tail?: number): Promise<string>;
  table(key: string, id: string, offset: number, limit: number): Promise<TablePage>;
  compare(keys: string[], baseline: string | null): Promise<Compare>;
  groups(store?: string, project?: string): Promise<Group[]>;
  study(store: string, project: string, group: string): Promise<Study>;
  export(query: ExportQuery): Promise<Blob>;
}

/** What the source had against a question; `at` is the column of a search that cannot be read. */
export class SourceError extends Error {
  readonly status: number;
  readonly at: number | null;

  constructor(message: string, status: number, at: number | null = null) {
    super(message);
    this.name = "SourceError";
    this.status = status;
    this.at = at;
  }

  /** The server did not answer at all. */
  get offline(): boolean {
    return this.status === 0;
  }
}
