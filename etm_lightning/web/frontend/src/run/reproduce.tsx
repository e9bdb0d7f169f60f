import type { RunDetail } from "../api/types";
import { Copy } from "../shell/copy";

export function Reproduce({ run }: { run: RunDetail }) {
  if (run.reproduce.length === 0) return null;
  const text = run.reproduce.join("\n");
  return (
    <section>
      <div class="section-head">
        <h2>Run it again</h2>
        <Copy text={text} label="Copy the commands" />
      </div>
      <pre class="commands">{text}</pre>
    </section>
  );
}
