/** A unified diff, its lines coloured by what they do. */

import { useMemo, useState } from "preact/hooks";

import { whole } from "../numbers/format";

/** So many lines are shown at first. */
const FIRST = 400;

export function Diff({ text }: { text: string }) {
  const [all, setAll] = useState(false);
  const lines = useMemo(() => text.split("\n"), [text]);
  const shown = all ? lines : lines.slice(0, FIRST);
  return (
    <>
      <pre class="diff" tabIndex={0} aria-label="Differences of the code">
        {shown.map((line, k) => (
          <span key={k} class={kindOf(line)}>
            {line}
            {"\n"}
          </span>
        ))}
      </pre>
      {shown.length < lines.length && (
        <button type="button" onClick={() => setAll(true)}>
          Show all {whole(lines.length)} lines
        </button>
      )}
    </>
  );
}

export function kindOf(line: string): string {
  if (/^(diff |index |--- |\+\+\+ )/.test(line)) return "diff-head";
  if (line.startsWith("@@")) return "diff-place";
  if (line.startsWith("+")) return "diff-more";
  return line.startsWith("-") ? "diff-less" : "";
}
