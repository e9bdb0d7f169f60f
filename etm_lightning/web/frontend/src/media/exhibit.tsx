import type { ComponentChildren } from "preact";

import { useApp } from "../app";
import { useAsked } from "../asked";
import type { Media } from "../api/types";
import { Shown } from "../shell/states";
import { bytes } from "../words";
import { Curves, type CurveSet } from "./curves";
import { Graph, type GraphData } from "./graph";
import { Histogram, type HistogramData } from "./histogram";
import { Matrix, type MatrixData } from "./matrix";
import { Pictures } from "./pictures";
import { PagedTable } from "./table";

/** What was logged under one name at one step, shown by its type. */
export function Exhibit({ run, items }: { run: string; items: Media[] }) {
  const [first] = items;
  if (!first) return null;
  if (first.type === "image" || first.type === "figure") return <Pictures run={run} items={items} />;
  return (
    <>
      {items.map((item) => (
        <One key={item.id} run={run} item={item} />
      ))}
    </>
  );
}

function One({ run, item }: { run: string; item: Media }) {
  const { source, session } = useApp();
  const url = source.mediaUrl(run, item.id);
  switch (item.type) {
    case "table":
      return <PagedTable run={run} id={item.id} />;
    case "confusion_matrix":
      return <Read run={run} item={item}>{(data) => <Matrix data={data as MatrixData} />}</Read>;
    case "histogram":
      return <Read run={run} item={item}>{(data) => <Histogram data={data as HistogramData} />}</Read>;
    case "pr_curve":
    case "roc_curve":
      return <Read run={run} item={item}>{(data) => <Curves data={data as CurveSet} kind={item.type as "pr_curve"} />}</Read>;
    case "graph":
      return <Read run={run} item={item}>{(data) => <Graph data={data as GraphData} />}</Read>;
    case "audio":
      return url ? <audio controls src={url} preload="none" /> : <Left />;
    case "video":
      return !url ? <Left /> : item.suffix === ".gif" ? <img src={url} alt={item.caption || item.name} /> : <video controls src={url} preload="metadata" />;
    case "html":
      return url ? <iframe src={url} sandbox="allow-scripts" title={item.caption || item.name} loading="lazy" /> : <Left />;
    case "plotly":
      if (session.plotly) return <iframe src={source.figureUrl(run, item.id)} sandbox="allow-scripts" title={item.caption || item.name} loading="lazy" />;
      return <Kept item={item} url={url} why={source.frozen ? "" : "Drawn where plotly is installed (pip install plotly)."} />;
    default:
      return <Kept item={item} url={url} />;
  }
}

/** What is not shown, to be kept as a file. */
function Kept({ item, url, why = "" }: { item: Media; url: string | null; why?: string }) {
  return (
    <p class="soft">
      {why} {item.type}, {bytes(item.size)}
      {url && (
        <>
          {": "}
          <a href={url} download={`${item.name.replace(/[^\w.-]+/g, "-")}${item.suffix}`}>
            download
          </a>
        </>
      )}
    </p>
  );
}

function Left() {
  return <p class="soft">It was left out of this page.</p>;
}

interface ReadProps {
  run: string;
  item: Media;
  children: (data: unknown) => ComponentChildren;
}

/** Fetches what a media file says; while the next step's is on its way the last one stays. */
function Read({ run, item, children }: ReadProps) {
  const { source } = useApp();
  const asked = useAsked(() => source.media(run, item.id), [source, run, item.id], true);
  return <Shown asked={asked}>{children}</Shown>;
}
