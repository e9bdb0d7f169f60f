import type { ComponentChildren } from "preact";

import type { Plain, RunDetail } from "../api/types";
import { whole } from "../numbers/format";
import { href, path } from "../router";
import { bytes } from "../words";

type Info = Record<string, Plain>;

const object = (value: Plain | undefined): Info => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
const text = (value: Plain | undefined): string => (value === null || value === undefined || value === "" ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));

/** Where the run came from: code, data, machine, in the few facts that people ask for first. */
export function Provenance({ run }: { run: RunDetail }) {
  const start = run.info["start"] ?? {};
  const git = object(start["git"]);
  const torch = object(start["torch"]);
  const packages = object(start["packages"]);
  const model = run.info["model"] ?? {};
  const data = run.info["data"] ?? {};
  const gpus = Array.isArray(start["gpus"]) ? start["gpus"] : [];
  const facts: [string, ComponentChildren][] = [
    ["Commit", git["commit"] && <Commit git={git} />],
    ["Branch", text(git["branch"])],
    ["Host", [text(start["host"]), text(start["user"])].filter(Boolean).join(" · ")],
    ["Folder", run.folder && <code>{run.folder}</code>],
    ["Machine", [text(start["cpu"]), start["cpus"] && `${text(start["cpus"])} cores`, typeof start["memory"] === "number" && bytes(start["memory"])].filter(Boolean).join(" · ")],
    ["GPU", gpus.map((gpu) => (typeof gpu === "string" ? gpu : text(object(gpu)["name"]))).join(", ")],
    ["Python", [text(start["python"]), ...["torch", "lightning", "transformers"].flatMap((name) => (packages[name] ? [`${name} ${text(packages[name])}`] : []))].filter(Boolean).join(" · ")],
    ["Torch", text(torch["version"])],
    ["Model", [text(model["class"]), typeof model["total"] === "number" && `${whole(model["total"])} parameters`].filter(Boolean).join(" · ")],
    ["Data", [text(data["task"]), text(data["content_sha256"]).slice(0, 12)].filter(Boolean).join(" · ")],
    ["Seeds", Object.entries(object(start["seeds"])).map(([name, value]) => `${name} ${text(value)}`).join(", ")],
  ];
  const known = facts.filter(([, value]) => Boolean(value));
  if (known.length === 0) return null;
  return (
    <section>
      <div class="section-head">
        <h2>Where it came from</h2>
        <a class="small" href={href(path("run", run.row.key), { tab: "config" })}>
          Everything recorded
        </a>
      </div>
      <dl class="facts-list">
        {known.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {text(git["diff"]) && (
        <details>
          <summary>Changes that are not in the commit</summary>
          <pre class="diff">{text(git["diff"])}</pre>
        </details>
      )}
    </section>
  );
}

function Commit({ git }: { git: Info }) {
  const remote = text(git["remote"]);
  const commit = text(git["commit"]);
  const web = /^(?:https:\/\/|git@)([\w.-]+)[:/]([\w./-]+?)(?:\.git)?$/.exec(remote);
  return (
    <>
      {web ? (
        <a href={`https://${web[1]}/${web[2]}/commit/${commit}`} target="_blank" rel="noopener noreferrer">
          <code>{commit.slice(0, 12)}</code>
        </a>
      ) : (
        <code title={commit}>{commit.slice(0, 12)}</code>
      )}
      {git["dirty"] === true && <span class="warn"> with changes</span>}
    </>
  );
}
