import { useState } from "preact/hooks";

import { useApp } from "../app";
import type { Edit, RunDetail } from "../api/types";
import { useAsked } from "../asked";
import { save } from "../charts/download";
import { useChange } from "../edit/change";
import { EditPopup } from "../edit/popup";
import { date, duration } from "../numbers/format";
import { go, href, path } from "../router";
import type { Editing } from "../runs/items";
import { StatusWord } from "../shell/status";
import { ago, many, named, took } from "../words";

interface Props {
  run: RunDetail;
  again: () => void;
}

export function Header({ run, again }: Props) {
  const { source, session, readonly, say } = useApp();
  const [editing, setEditing] = useState<Editing | null>(null);
  const change = useChange();
  const { row } = run;
  const open = (field: Editing["field"]) => (event: MouseEvent) =>
    setEditing({ field, key: row.key, anchor: (event.currentTarget as HTMLElement).getBoundingClientRect() });
  const put = async (edit: Edit, said: string): Promise<void> => {
    if (!(await change(row.key, edit))) return;
    say(said);
    again();
  };
  const exported = async (): Promise<void> => {
    try {
      save(await source.export({ keys: [row.key], title: named(row) }), `${row.id}.html`);
    } catch (error) {
      say(`Not exported: ${(error as Error).message}`, "bad");
    }
  };
  const seconds = took(row);
  const store = session.stores.length > 1 ? session.stores.find((one) => one.id === row.store)?.name : undefined;
  return (
    <header class="run-head">
      <p class="crumbs">
        <a href={href("/runs")}>Runs</a> / {store && <>{store} / </>}
        <a href={href("/runs", { project: row.project })}>{row.project}</a>
        {row.group && (
          <>
            {" "}
            / <a href={href(path("group", row.store, row.project, row.group))}>{row.group}</a>
          </>
        )}
      </p>
      <div class="run-title">
        <h1>{named(row)}</h1>
        {!readonly && (
          <button type="button" class="plain icon" aria-label="Rename" title="Rename" onClick={open("name")}>
            ✎
          </button>
        )}
        <span class="spring" />
        {!source.frozen && <Versus run={run} />}
        {!source.frozen && (
          <button type="button" title="One HTML file that opens anywhere, without a server" onClick={() => void exported()}>
            Export
          </button>
        )}
        {!readonly && (
          <>
            <button type="button" onClick={() => void put({ archived: !row.archived }, row.archived ? "Brought back" : "Archived")}>
              {row.archived ? "Unarchive" : "Archive"}
            </button>
            <button type="button" onClick={() => void put({ trashed: !row.trashed }, row.trashed ? "Restored" : "In the trash: Restore brings it back")}>
              {row.trashed ? "Restore" : "Trash"}
            </button>
          </>
        )}
      </div>
      <div class="facts">
        <StatusWord status={row.status} />
        {row.archived && <span class="chip">archived</span>}
        {row.trashed && <span class="chip">in the trash</span>}
        <span title={date(row.created)}>{ago(row.created)}</span>
        {seconds !== null && <span>{duration(seconds)}</span>}
        {row.attempts > 1 && <span>{many(row.attempts, "attempt")}</span>}
        <code class="soft">{row.id}</code>
        <span class="tags">
          {row.tags.map((tag) => (
            <a key={tag} class="tag" href={href("/runs", { q: `${JSON.stringify(tag)} in tags` })}>
              {tag}
            </a>
          ))}
        </span>
        {!readonly && (
          <button type="button" class="plain small" onClick={open("tags")}>
            {row.tags.length ? "✎" : "+ Tag"}
            <span class="hidden">Edit tags</span>
          </button>
        )}
      </div>
      {editing && <EditPopup editing={editing} row={row} known={[]} onRow={again} onClose={() => setEditing(null)} />}
    </header>
  );
}

/** Goes to a comparison with another run: those of its group first. */
function Versus({ run }: { run: RunDetail }) {
  const { source } = useApp();
  const { row } = run;
  const others = useAsked(
    () => source.runs({ store: row.store, project: row.project, group: row.group, limit: 60 }),
    [source, row.key],
  );
  const list = (others.value?.runs ?? []).filter((one) => one.key !== row.key);
  if (list.length === 0) return null;
  return (
    <select aria-label="Compare with another run" value="" onChange={(event) => go(href("/compare", { keys: [row.key, event.currentTarget.value] }))}>
      <option value="">Compare with…</option>
      {list.map((one) => (
        <option key={one.key} value={one.key}>
          {named(one)}
        </option>
      ))}
    </select>
  );
}
