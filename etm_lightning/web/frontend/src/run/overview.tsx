import { useApp } from "../app";
import type { Point, RunDetail } from "../api/types";
import { whole } from "../numbers/format";
import { Spark } from "../runs/spark";
import { useSparks } from "../runs/sparks";
import { href, path } from "../router";
import { inOrder, shown } from "../words";
import { Alerts, Attempts, Trouble } from "./happened";
import { Notes } from "./notes";
import { Provenance } from "./provenance";
import { Reproduce } from "./reproduce";

export function Overview({ run, again }: { run: RunDetail; again: () => void }) {
  const { row } = run;
  return (
    <div class="overview">
      <div class="column">
        <Trouble run={run} />
        {(row.question || run.method) && (
          <section>
            {row.question && <p class="question">{row.question}</p>}
            {run.method && <p class="soft">{run.method}</p>}
          </section>
        )}
        <Values run={run} />
        <Notes run={run} again={again} />
        <Alerts run={run} />
        <Attempts run={run} />
      </div>
      <div class="column">
        <Reproduce run={run} />
        <Provenance run={run} />
        {(row.forked_from || row.evaluates) && (
          <section>
            <h2>Goes back to</h2>
            {row.forked_from && (
              <p>
                Began from a checkpoint of <a href={href("/runs", { q: row.forked_from })}>{row.forked_from}</a>
              </p>
            )}
            {row.evaluates && (
              <p>
                Tests <a href={href("/runs", { q: row.evaluates })}>{row.evaluates}</a>
              </p>
            )}
          </section>
        )}
      </div>
    </div>
  );
}

/** The metrics with their last, lowest and highest value; the machine's samples are left to their charts. */
function Values({ run }: { run: RunDetail }) {
  const { theme, colours } = useApp();
  const metrics = run.series.filter((one) => one.axis !== "seconds" && one.rank === 0);
  const names = metrics.map((one) => one.name).slice(0, 60);
  const spark = useSparks(names, [run.row.key]);
  const watched = run.row.monitor?.name;
  if (metrics.length === 0) return null;
  const order = [...metrics].sort((a, b) => Number(b.name === watched) - Number(a.name === watched) || inOrder(a.label, b.label));
  return (
    <section>
      <h2>Metrics</h2>
      <div class="scroll">
        <table class="values">
          <thead>
            <tr>
              <th>Name</th>
              <th>
                <span class="hidden">Course</span>
              </th>
              <th class="num">{watched ? "Headline" : ""}</th>
              <th class="num">Last</th>
              <th class="num">Lowest</th>
              <th class="num">Highest</th>
              <th class="num">Points</th>
            </tr>
          </thead>
          <tbody>
            {order.map((one) => (
              <tr key={one.label + one.axis} class={one.name === watched ? "watched" : ""}>
                <th scope="row">
                  <a href={href(path("run", run.row.key), { tab: "charts" })}>{one.label}</a>
                  {one.name === watched && <small class="chip">{run.row.monitor?.mode === "min" ? "lower is better" : "higher is better"}</small>}
                  {one.nonfinite > 0 && <small class="warn">{one.nonfinite} not finite</small>}
                </th>
                <td>
                  <Spark values={spark(one.name, run.row.key)} colour={colours.of(run.row.key, theme)} />
                </td>
                <td class="num">
                  <b>{one.name in run.row.metrics ? shown(run.row.metrics[one.name]) : ""}</b>
                </td>
                <td class="num" title={one.latest ? where(one.latest) : ""}>
                  {shown(one.latest?.value)}
                </td>
                <td class="num">{shown(one.min)}</td>
                <td class="num">{shown(one.max)}</td>
                <td class="num soft">{whole(one.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const where = (point: Point): string => `step ${point.step}${point.epoch === null ? "" : `, epoch ${point.epoch}`}`;
