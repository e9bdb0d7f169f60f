import { useEffect, useRef } from "preact/hooks";

import { useApp, useLive, useReturn } from "../app";
import { useAsked } from "../asked";
import type { RunDetail } from "../api/types";
import { Charts } from "../charts";
import { useParam } from "../router";
import { Shown } from "../shell/states";
import { named } from "../words";
import { ArtifactsTab } from "./artifacts";
import { ConfigTab } from "./config";
import { Header } from "./header";
import { LogsTab } from "./logs";
import { MediaTab } from "./media";
import { Overview } from "./overview";
import "./run.css";

interface Tab {
  id: string;
  title: string;
  count?: number;
}

/** `#/run/<key>`: all about one run. */
export function RunPage({ parts }: { parts: Record<string, string> }) {
  const { source } = useApp();
  const key = parts["key"] ?? "";
  const asked = useAsked(() => source.run(key), [source, key]);
  const busy = useRef(false);
  busy.current = asked.loading;
  useLive(({ changed }) => changed.includes(key) && !busy.current && asked.again());
  useReturn(asked.again);
  useEffect(() => {
    document.title = asked.value ? `${named(asked.value.row)} · ETM` : "ETM";
  }, [asked.value]);
  return <Shown asked={asked}>{(run) => <Run run={run} again={asked.again} />}</Shown>;
}

function tabs(run: RunDetail): Tab[] {
  const system = run.series.filter((one) => one.axis === "seconds").length;
  const metrics = new Set(run.series.filter((one) => one.axis !== "seconds").map((one) => one.label)).size;
  const all: (Tab | null)[] = [
    { id: "", title: "Overview" },
    { id: "charts", title: "Charts", count: metrics },
    system ? { id: "system", title: "System" } : null,
    run.media.length || run.texts.length ? { id: "media", title: "Media", count: new Set(run.media.map((one) => `${one.name}\n${one.stage}`)).size } : null,
    run.logs.length ? { id: "logs", title: "Logs", count: run.logs.length } : null,
    { id: "artifacts", title: "Artifacts", count: run.artifacts.length + run.checkpoints.length },
    { id: "config", title: "Config" },
  ];
  return all.filter((tab): tab is Tab => tab !== null);
}

function Run({ run, again }: { run: RunDetail; again: () => void }) {
  const { source } = useApp();
  const [tab, setTab] = useParam("tab");
  const all = tabs(run);
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = all.findIndex((one) => one.id === tab);
    const next = all[(at + step + all.length) % all.length];
    if (!next) return;
    setTab(next.id, true);
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  return (
    <article class="run">
      <Header run={run} again={again} />
      <div class="tabs" role="tablist" aria-label="Parts of the run" onKeyDown={move}>
        {all.map((one) => (
          <button
            key={one.id}
            id={`tab-${one.id}`}
            type="button"
            role="tab"
            class="plain"
            aria-selected={one.id === tab}
            aria-controls="tab-panel"
            tabIndex={one.id === tab ? 0 : -1}
            onClick={() => setTab(one.id, true)}
          >
            {one.title}
            {one.count ? <small class="faint">{one.count}</small> : null}
          </button>
        ))}
      </div>
      <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`} class={tab === "charts" || tab === "system" ? "panel wide" : "panel"}>
        {tab === "charts" && <Charts source={source} keys={[run.row.key]} only="metrics" />}
        {tab === "system" && <Charts source={source} keys={[run.row.key]} only="system" />}
        {tab === "media" && <MediaTab run={run} />}
        {tab === "logs" && <LogsTab run={run} />}
        {tab === "artifacts" && <ArtifactsTab run={run} />}
        {tab === "config" && <ConfigTab run={run} />}
        {tab === "" && <Overview run={run} again={again} />}
      </div>
    </article>
  );
}
