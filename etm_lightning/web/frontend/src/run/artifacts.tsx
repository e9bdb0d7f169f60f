import { useApp } from "../app";
import type { Artifact, RunDetail } from "../api/types";
import { date } from "../numbers/format";
import { Empty } from "../shell/states";
import { bytes, shown } from "../words";

export function ArtifactsTab({ run }: { run: RunDetail }) {
  if (run.artifacts.length + run.checkpoints.length === 0) return <Empty title="No artifacts">Files come here with log_artifact, models with log_model.</Empty>;
  return (
    <div class="stack">
      {run.checkpoints.length > 0 && <Checkpoints run={run} />}
      {run.artifacts.length > 0 && <Files run={run} />}
    </div>
  );
}

function Checkpoints({ run }: { run: RunDetail }) {
  const list = [...run.checkpoints].reverse();
  const monitor = list.find((one) => one.monitor)?.monitor;
  return (
    <section>
      <h2>Checkpoints</h2>
      <div class="scroll">
        <table class="values">
          <thead>
            <tr>
              <th class="num">Step</th>
              <th class="num">Epoch</th>
              <th class="num">{monitor ?? "Score"}</th>
              <th>File</th>
              <th>Time</th>
            </tr>
          </thead>
          <tbody>
            {list.map((one) => (
              <tr key={one.id} class={one.best ? "watched" : ""}>
                <td class="num">{one.step}</td>
                <td class="num">{shown(one.epoch)}</td>
                <td class="num">
                  {one.best && <small class="chip">best</small>} {shown(one.score)}
                </td>
                <td>{one.path ? <code>{one.path}</code> : <span class="faint">not kept</span>}</td>
                <td class="soft">{date(one.time)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Versions of each artifact, newest first. */
function Files({ run }: { run: RunDetail }) {
  const { source } = useApp();
  const names = [...new Set(run.artifacts.map((one) => one.name))];
  const link = (one: Artifact): string => (one.served === false ? "" : source.artifactUrl(run.row.key, one.id));
  return (
    <section>
      <h2>Artifacts</h2>
      <div class="scroll">
        <table class="values">
          <thead>
            <tr>
              <th>Name</th>
              <th>Type</th>
              <th class="num">Version</th>
              <th>Aliases</th>
              <th class="num">Size</th>
              <th>SHA-256</th>
              <th>File</th>
            </tr>
          </thead>
          <tbody>
            {names.flatMap((name) => {
              const versions = run.artifacts.filter((one) => one.name === name);
              return versions
                .map((one, i) => (
                  <tr key={one.id}>
                    <th scope="row">{one.name}</th>
                    <td>{one.type}</td>
                    <td class="num">{i + 1}</td>
                    <td>
                      <span class="tags">
                        {one.aliases.map((alias) => (
                          <span key={alias} class="tag">
                            {alias}
                          </span>
                        ))}
                      </span>
                    </td>
                    <td class="num">{bytes(one.size)}</td>
                    <td>
                      <code title={one.sha256}>{one.sha256.slice(0, 12)}</code>
                    </td>
                    <td>
                      {link(one) ? (
                        <a href={link(one)} download>
                          Download
                        </a>
                      ) : (
                        <code>{one.path}</code>
                      )}
                    </td>
                  </tr>
                ))
                .reverse();
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}
