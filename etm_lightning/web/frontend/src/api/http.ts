import { readFrame } from "./frame";
import { SourceError, type Source } from "./source";
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

type Asked = string | number | boolean | undefined | null;

/** The query part of an address: what is undefined, null or "" is left out; booleans are 1. */
export function query(asked: Record<string, Asked>): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) {
    if (value === undefined || value === null || value === "" || value === false) continue;
    parts.set(name, value === true ? "1" : String(value));
  }
  const text = parts.toString();
  return text && `?${text}`;
}

const part = encodeURIComponent;

/** Milliseconds after which a lost connection is tried again. */
const AGAIN = 1500;

/** Reads a server of `etm ui`. */
export class HttpSource implements Source {
  readonly frozen = false;
  private readonly base: string;
  private readonly heard: (alive: boolean) => void;
  private asking: ReturnType<typeof setInterval> | undefined;

  /**
   * @param base where the API is, without a slash at its end
   * @param heard is told after each call whether the server answered
   */
  constructor(base = "api", heard: (alive: boolean) => void = () => undefined) {
    this.base = base;
    this.heard = heard;
  }

  /** The server sends it within the page; only a page that comes from elsewhere, as in development, asks for it. */
  async session(): Promise<Session> {
    const told = document.getElementById("etm-session")?.textContent;
    return told ? (JSON.parse(told) as Session) : this.json("session");
  }

  runs(asked: RunsQuery, signal?: AbortSignal): Promise<RunsAnswer> {
    return this.json(`runs${query({ ...asked, keys: asked.keys?.join(","), columns: asked.columns?.join(",") })}`, signal ? { signal } : {});
  }

  columns(asked: RunsQuery): Promise<Columns> {
    return this.json(`columns${query({ store: asked.store, project: asked.project, q: asked.q })}`);
  }

  async sparks(metric: string, keys: string[], points = 40): Promise<Record<string, (number | null)[]>> {
    return this.json(`sparks${query({ metric, keys: keys.join(","), points })}`);
  }

  run(key: string): Promise<RunDetail> {
    return this.json(`runs/${part(key)}`);
  }

  edit(key: string, edit: Edit): Promise<Row> {
    return this.json(`runs/${part(key)}`, this.write("PATCH", edit));
  }

  async remove(key: string): Promise<void> {
    await this.answer(`runs/${part(key)}`, this.write("DELETE", {}));
  }

  async series(asked: SeriesQuery, signal?: AbortSignal): Promise<SeriesData[]> {
    if (asked.series.length === 0) return [];
    const answer = await this.answer("series", { ...this.write("POST", asked), ...(signal ? { signal } : {}) });
    return readFrame(await answer.arrayBuffer());
  }

  events(keys: string[] | null, changed: (what: Changed) => void): () => void {
    const address = `${this.base}/events${query({ keys: keys?.join(",") })}`;
    let stream: EventSource;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const open = (): void => {
      stream = new EventSource(address);
      stream.addEventListener("runs", (event) => {
        const what = JSON.parse((event as MessageEvent<string>).data) as Partial<Changed>;
        changed({ changed: what.changed ?? [], added: what.added ?? [], removed: what.removed ?? [] });
      });
      stream.addEventListener("open", () => this.heard(true));
      // browsers try again by themselves, but some give up for good, and others wait for long
      stream.addEventListener("error", () => {
        this.lost();
        stream.close();
        timer = setTimeout(open, AGAIN);
      });
    };
    open();
    return () => {
      clearTimeout(timer);
      stream.close();
    };
  }

  mediaUrl(key: string, id: string): string {
    return `${this.base}/runs/${part(key)}/media/${part(id)}`;
  }

  figureUrl(key: string, id: string): string {
    return `${this.base}/runs/${part(key)}/figures/${part(id)}`;
  }

  artifactUrl(key: string, id: string): string {
    return `${this.base}/runs/${part(key)}/artifacts/${part(id)}`;
  }

  media(key: string, id: string): Promise<unknown> {
    return this.json(`runs/${part(key)}/media/${part(id)}`);
  }

  async log(key: string, id: string, tail = 65536): Promise<string> {
    return (await this.answer(`runs/${part(key)}/logs/${part(id)}${query({ tail })}`)).text();
  }

  table(key: string, id: string, offset: number, limit: number): Promise<TablePage> {
    return this.json(`runs/${part(key)}/table/${part(id)}${query({ offset: String(offset), limit })}`);
  }

  compare(keys: string[], baseline: string | null): Promise<Compare> {
    return this.json(`compare${query({ keys: keys.join(","), baseline })}`);
  }

  groups(store?: string, project?: string): Promise<Group[]> {
    return this.json(`groups${query({ store, project })}`);
  }

  study(store: string, project: string, group: string): Promise<Study> {
    return this.json(`study${query({ store, project, group })}`);
  }

  views(): Promise<View[]> {
    return this.json("views");
  }

  keepView(name: string, address: string): Promise<View[]> {
    return this.json("views", this.write("PATCH", { name, address }));
  }

  async export(asked: ExportQuery): Promise<Blob> {
    return (await this.answer("export", this.write("POST", asked))).blob();
  }

  /** Says that the server is gone, and asks until it is back: a stream may not notice that it is dead. */
  private lost(): void {
    this.heard(false);
    if (this.asking) return;
    this.asking = setInterval(() => {
      fetch(`${this.base}/session`, { credentials: "same-origin" }).then(
        () => {
          clearInterval(this.asking);
          this.asking = undefined;
          this.heard(true);
        },
        () => undefined,
      );
    }, AGAIN);
  }

  private write(method: string, body: unknown): RequestInit {
    return { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", "X-ETM": "1" } };
  }

  private async json<T>(path: string, init: RequestInit = {}): Promise<T> {
    return (await (await this.answer(path, init)).json()) as T;
  }

  private async answer(path: string, init: RequestInit = {}): Promise<Response> {
    let answer: Response;
    try {
      answer = await (takenAhead(path) ?? fetch(`${this.base}/${path}`, { credentials: "same-origin", ...init }));
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      this.lost();
      throw new SourceError("the server does not answer", 0);
    }
    this.heard(true);
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }
}

/** What `public/ahead.js` has already asked, once. */
function takenAhead(path: string): Promise<Response> | null {
  const { etmAhead: ahead } = globalThis as { etmAhead?: { path: string; answer: Promise<Response> } };
  if (ahead?.path !== path) return null;
  delete (globalThis as { etmAhead?: unknown }).etmAhead;
  return ahead.answer;
}

async function refusal(answer: Response): Promise<SourceError> {
  const said: unknown = await answer.json().catch(() => null);
  const told = (said ?? {}) as { error?: unknown; at?: unknown };
  const text = typeof told.error === "string" ? told.error : `the server answered ${answer.status} ${answer.statusText}`;
  return new SourceError(text, answer.status, typeof told.at === "number" ? told.at : null);
}
