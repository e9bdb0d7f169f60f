/** What a person made of a page of charts. All of it lives in the address, so that a link shows the same. */

import type { X } from "../api/types";
import type { BandKind } from "../numbers/bands";
import type { Range } from "../numbers/ranges";
import type { Smoothing } from "../numbers/smoothing";

export interface View {
  x: X;
  smoothing: Smoothing;
  logX: boolean;
  logY: boolean;
  /** Charts whose y axis is the other way than `logY` says. */
  against: string[];
  /** Leave outliers out of the y axis. */
  robust: boolean;
  /** What makes runs one curve with a band: "" (nothing), "auto", "replicates", "group" or `param.<name>`. */
  by: string;
  band: BandKind;
  /** Text that names must contain; several words are all needed; `/…/` is a regular expression. */
  filter: string;
  pinned: string[];
  /** Metrics put in an order by hand, by section. */
  order: Record<string, string[]>;
  /** Sections that are the other way round than at first: closed, or open. */
  toggled: string[];
  /** Charts in a row; 0 as many as fit. */
  columns: number;
  full: string;
  hidden: string[];
  linked: boolean;
  /** The part of x that is shown, by metric; `*` for all while zoom is linked. */
  zoom: Record<string, Range>;
  /** Superseded points of earlier attempts too. */
  superseded: boolean;
}

export const PLAIN: View = {
  x: "step",
  smoothing: { kind: "none" },
  logX: false,
  logY: false,
  against: [],
  robust: false,
  by: "auto",
  band: "sd",
  filter: "",
  pinned: [],
  order: {},
  toggled: [],
  columns: 0,
  full: "",
  hidden: [],
  linked: false,
  zoom: {},
  superseded: false,
};

const XS = ["step", "epoch", "time", "relative", "samples"];
const BANDS = ["sd", "range", "ci"];
const NAMES = ["x", "smooth", "log", "against", "robust", "by", "band", "find", "pin", "order", "fold", "cols", "full", "hide", "zoom", "link", "void"];

/** Reads a view from the query of an address; what makes no sense there is left as it is at first. */
export function readView(query: URLSearchParams): View {
  const text = (name: string) => query.get(name) ?? "";
  const list = (name: string) => text(name).split(",").filter(Boolean).map(decoded);
  const band = text("band");
  return {
    x: readX(text("x")),
    smoothing: readSmoothing(text("smooth")),
    logX: text("log").includes("x"),
    logY: text("log").includes("y"),
    against: list("against"),
    robust: text("robust") === "1",
    by: query.has("by") ? (text("by") === "none" ? "" : text("by")) : PLAIN.by,
    band: BANDS.includes(band) ? (band as BandKind) : PLAIN.band,
    filter: text("find"),
    pinned: list("pin"),
    order: readOrder(text("order")),
    toggled: list("fold"),
    columns: Math.min(6, Math.max(0, Math.trunc(Number(text("cols")) || 0))),
    full: text("full"),
    hidden: list("hide"),
    linked: text("link") === "1",
    zoom: readZoom(text("zoom")),
    superseded: text("void") === "1",
  };
}

/** Writes a view into a query; what is as at first is left out. Other names of the query stay. */
export function writeView(view: View, query: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams(query);
  for (const name of NAMES) out.delete(name);
  const set = (name: string, text: string) => text && out.set(name, text);
  const list = (items: readonly string[]) => items.map(encoded).join(",");
  set("x", typeof view.x === "string" ? (view.x === "step" ? "" : view.x) : `metric:${view.x.metric}`);
  set("smooth", view.smoothing.kind === "none" ? "" : `${view.smoothing.kind}:${view.smoothing.amount}`);
  set("log", `${view.logX ? "x" : ""}${view.logY ? "y" : ""}`);
  set("against", list(view.against));
  set("robust", view.robust ? "1" : "");
  set("by", view.by === PLAIN.by ? "" : view.by || "none");
  set("band", view.band === PLAIN.band ? "" : view.band);
  set("find", view.filter);
  set("pin", list(view.pinned));
  set("order", Object.entries(view.order).map(([name, order]) => `${encoded(name)}:${list(order)}`).join(";"));
  set("fold", list(view.toggled));
  set("cols", view.columns ? String(view.columns) : "");
  set("full", view.full);
  set("hide", list(view.hidden));
  set("link", view.linked ? "1" : "");
  set("zoom", Object.entries(view.zoom).map(([name, range]) => `${encoded(name)}:${range.map(short).join("~")}`).join(";"));
  set("void", view.superseded ? "1" : "");
  return out;
}

function readX(text: string): X {
  if (text.startsWith("metric:")) return { metric: text.slice(7) };
  return XS.includes(text) ? (text as X) : "step";
}

function readSmoothing(text: string): Smoothing {
  const [kind, amount] = [text.split(":")[0], Number(text.split(":")[1])];
  if (kind === "ema" && amount > 0 && amount < 1) return { kind, amount };
  if (kind === "gaussian" && amount > 0 && amount <= 1000) return { kind, amount };
  return { kind: "none" };
}

function readOrder(text: string): Record<string, string[]> {
  const parts = text.split(";").filter((part) => part.includes(":"));
  return Object.fromEntries(
    parts.map((part) => {
      const [name, order] = part.split(":") as [string, string];
      return [decoded(name), order.split(",").filter(Boolean).map(decoded)];
    }),
  );
}

function readZoom(text: string): Record<string, Range> {
  const found: Record<string, Range> = {};
  for (const part of text.split(";").filter(Boolean)) {
    const [name = "", range = ""] = part.split(":");
    const [from, to] = range.split("~").map(Number);
    if (from !== undefined && to !== undefined && from < to) found[decoded(name)] = [from, to];
  }
  return found;
}

const short = (value: number) => String(Number(value.toPrecision(10)));
/** The signs that part lists, written so that they can be part of a name. */
const encoded = (text: string) => text.replace(/[%,;:]/g, encodeURIComponent);

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
