import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { useApp, useLive } from "../app";
import { useAsked } from "../asked";
import type { RunDetail } from "../api/types";
import { useParam } from "../router";
import { Shown } from "../shell/states";
import { bytes } from "../words";

const TAIL = 65_536;

export function LogsTab({ run }: { run: RunDetail }) {
  const { source } = useApp();
  const [chosen, setChosen] = useParam("log");
  const [tail, setTail] = useState(TAIL);
  const [text, setText] = useState("");
  const log = run.logs.find((one) => one.name === chosen) ?? run.logs[0];
  const asked = useAsked(() => (log ? source.log(run.row.key, log.id, tail) : Promise.resolve("")), [source, run.row.key, log?.id, tail], true);
  useLive(({ changed }) => changed.includes(run.row.key) && asked.again());
  useEffect(() => setTail(TAIL), [log?.id]);
  if (!log) return <p class="soft">No logs.</p>;
  return (
    <div class="logs">
      <div class="tools-line">
        {run.logs.length > 1 ? (
          <select aria-label="Log" value={log.name} onChange={(event) => setChosen(event.currentTarget.value)}>
            {run.logs.map((one) => (
              <option key={one.id} value={one.name}>
                {one.name}
              </option>
            ))}
          </select>
        ) : (
          <code>{log.name}</code>
        )}
        <span class="soft">{bytes(log.size)}</span>
        <input type="search" placeholder="Find lines" aria-label="Find lines" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <span class="spring" />
        {log.size > tail && (
          <button type="button" onClick={() => setTail(tail * 8)}>
            Show more of its beginning
          </button>
        )}
      </div>
      <Shown asked={asked}>{(whole) => <Lines text={whole} find={text} cut={log.size > tail} />}</Shown>
    </div>
  );
}

function Lines({ text, find, cut }: { text: string; find: string; cut: boolean }) {
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  const wanted = find.toLowerCase();
  const lines = clean(text).split("\n");
  const shown = wanted ? lines.filter((line) => line.toLowerCase().includes(wanted)) : lines;
  useLayoutEffect(() => {
    if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text, find]);
  return (
    <pre
      ref={box}
      class="log"
      tabIndex={0}
      aria-label="Log"
      onScroll={({ currentTarget: at }) => (atEnd.current = at.scrollTop + at.clientHeight > at.scrollHeight - 20)}
    >
      {cut && !wanted && <span class="faint">… earlier lines are not shown{"\n"}</span>}
      {shown.join("\n") || (wanted ? "No line has that." : "Empty.")}
    </pre>
  );
}

/** Without the codes for colours; of a progress bar that overwrote its line only the last state. */
export function clean(text: string): string {
  // eslint-disable-next-line no-control-regex
  const plain = text.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, "");
  return plain.replace(/\r\n/g, "\n").replace(/^.*\r(?!$)/gm, "").replace(/\r/g, "");
}
