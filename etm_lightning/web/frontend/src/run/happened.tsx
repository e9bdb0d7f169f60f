import type { RunDetail } from "../api/types";
import { date, duration } from "../numbers/format";
import { StatusWord } from "../shell/status";
import { many } from "../words";

/** Why a run ended badly, and what of it is missing; nothing where all is well. */
export function Trouble({ run }: { run: RunDetail }) {
  const lost = run.gaps.reduce((sum, gap) => sum + gap.lost, 0);
  return (
    <>
      {(run.reason || run.traceback) && (
        <section class="trouble">
          <h2>{run.reason || `It ${run.row.status}`}</h2>
          <p class="soft">
            {[run.exit_code !== null && `exit code ${run.exit_code}`, run.signal !== null && `signal ${run.signal}`].filter(Boolean).join(", ")}
          </p>
          {run.traceback && <pre class="traceback">{run.traceback}</pre>}
        </section>
      )}
      {(lost > 0 || run.damage.length > 0) && (
        <section class="trouble held">
          <h2>Parts of the record are missing</h2>
          {run.gaps.map((gap) => (
            <p key={gap.time}>
              {many(gap.lost, "record")} could not be written since {date(gap.since)}
              {gap.reason && `: ${gap.reason}`}
            </p>
          ))}
          {run.damage.slice(0, 10).map((one) => (
            <p key={`${one.file} ${one.offset}`}>
              <code>{one.file}</code>: {one.reason}, {many(one.size, "byte")} at {one.offset}
            </p>
          ))}
          {run.damage.length > 10 && <p>and {run.damage.length - 10} more.</p>}
        </section>
      )}
    </>
  );
}

export function Alerts({ run }: { run: RunDetail }) {
  if (run.alerts.length === 0) return null;
  return (
    <section>
      <h2>Alerts</h2>
      <ul class="alerts">
        {run.alerts.map((one, i) => (
          <li key={i} class={one.level === "info" ? "info" : one.level === "error" ? "error" : "warning"}>
            <b>{one.title}</b>
            {one.text && <span> {one.text}</span>}
            <small class="soft">
              {one.step !== null && `step ${one.step} · `}
              {date(one.time)}
            </small>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Attempts({ run }: { run: RunDetail }) {
  if (run.attempts.length < 2) return null;
  return (
    <section>
      <h2>Attempts</h2>
      <div class="scroll">
        <table class="values">
          <thead>
            <tr>
              <th class="num">#</th>
              <th>Goes on from</th>
              <th>Started</th>
              <th class="num">Took</th>
              <th>Host</th>
              <th>Status</th>
            </tr>
          </thead>
          <tbody>
            {run.attempts.map((one) => (
              <tr key={one.attempt}>
                <td class="num">{one.attempt}</td>
                <td>{one.parent ? `attempt ${one.parent}${one.checkpoint ? `, checkpoint ${one.checkpoint}` : ""}` : "–"}</td>
                <td>{one.started === null ? "–" : date(one.started)}</td>
                <td class="num">{one.started !== null && one.ended !== null ? duration(one.ended - one.started) : "–"}</td>
                <td>
                  {one.host} <span class="faint">{one.pid}</span>
                </td>
                <td>{one.status && <StatusWord status={one.status} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
