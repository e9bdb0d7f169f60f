import { useState } from "preact/hooks";

import type { Plain, RunDetail } from "../api/types";
import { useParam } from "../router";
import { Copy } from "../shell/copy";

/** The settings and every recorded fact, as trees that a word filters. */
export function ConfigTab({ run }: { run: RunDetail }) {
  const [text, setText] = useParam("find");
  const parts: [string, string, Record<string, Plain>][] = [
    ["config", "Settings", run.config],
    ...Object.entries(run.info).map(([about, values]): [string, string, Record<string, Plain>] => [about, about, values]),
  ];
  const shown = parts.filter(([about, , values]) => Object.keys(values).length > 0 && fits(about, values, text.toLowerCase()));
  return (
    <div class="config">
      <input type="search" placeholder="Find a setting or fact" aria-label="Find a setting or fact" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      {shown.length === 0 && <p class="soft">{text ? "Nothing has that in its name or value." : "Nothing was recorded."}</p>}
      {shown.map(([about, title, values]) => (
        <section key={about}>
          <div class="section-head">
            <h2>{title}</h2>
            <Copy text={JSON.stringify(values, null, 2)} label={`Copy ${title} as JSON`} />
          </div>
          <Tree name="" value={values} text={text.toLowerCase()} depth={0} />
        </section>
      ))}
    </div>
  );
}

/** Whether a name or value below here has the text in it. */
export function fits(name: string, value: Plain, text: string): boolean {
  if (!text || name.toLowerCase().includes(text)) return true;
  if (value !== null && typeof value === "object") {
    return Object.entries(value).some(([inner, one]) => fits(inner, one, text));
  }
  return String(value).toLowerCase().includes(text);
}

interface TreeProps {
  name: string;
  value: Plain;
  text: string;
  depth: number;
}

function Tree({ name, value, text, depth }: TreeProps) {
  const entries = value !== null && typeof value === "object" ? Object.entries(value) : null;
  const [open, setOpen] = useState(depth < 2 && (entries?.length ?? 0) <= 40);
  if (entries === null || entries.length === 0) {
    return (
      <div class="leaf">
        <span class="key">{name}</span>
        <code class={typeof value}>{typeof value === "string" ? value || '""' : JSON.stringify(value)}</code>
      </div>
    );
  }
  if (Array.isArray(value) && value.every((one) => one === null || typeof one !== "object") && JSON.stringify(value).length < 90) {
    return (
      <div class="leaf">
        <span class="key">{name}</span>
        <code>{JSON.stringify(value)}</code>
      </div>
    );
  }
  const inside = text && !name.toLowerCase().includes(text) ? text : "";
  const wanted = entries.filter(([inner, one]) => fits(inner, one, inside));
  const children = wanted.map(([inner, one]) => <Tree key={inner} name={inner} value={one} text={inside} depth={depth + 1} />);
  if (depth === 0) return <div class="tree">{children}</div>;
  return (
    <details class="branch" open={open || Boolean(text)} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="key">{name}</span> <small class="faint">{entries.length}</small>
      </summary>
      {(open || Boolean(text)) && children}
    </details>
  );
}
