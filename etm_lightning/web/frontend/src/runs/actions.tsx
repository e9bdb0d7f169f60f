import { useState } from "preact/hooks";

import { useApp } from "../app";
import type { Edit, Row } from "../api/types";
import { TagsEditor } from "../edit/tags";
import { save as download } from "../charts/download";
import { go, href } from "../router";
import { Popover } from "../shell/popover";
import { many } from "../words";

interface Props {
  keys: string[];
  /** Those of the chosen runs that are loaded. */
  rows: Row[];
  known: string[];
  trashed: boolean;
  onRow: (row: Row) => void;
  onDone: () => void;
  onClear: () => void;
}

const AT_ONCE = 6;

/** What can be done with the chosen runs. */
export function Actions({ keys, rows, known, trashed, onRow, onDone, onClear }: Props) {
  const { source, readonly, say } = useApp();
  const [tagging, setTagging] = useState<DOMRect | null>(null);
  const [busy, setBusy] = useState(false);
  const shared = [...new Set(rows.flatMap((row) => row.tags))].filter((tag) => rows.every((row) => row.tags.includes(tag)));

  const each = async (act: (key: string) => Promise<unknown>, done: string): Promise<boolean> => {
    setBusy(true);
    const left = [...keys];
    const problems: string[] = [];
    const worker = async (): Promise<void> => {
      for (let key = left.shift(); key !== undefined; key = left.shift()) {
        await act(key).catch((error: unknown) => problems.push((error as Error).message));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    setBusy(false);
    if (problems.length) say(`${many(problems.length, "run")} not changed: ${problems[0]}`, "bad");
    else say(`${many(keys.length, "run")} ${done}`);
    onDone();
    return problems.length === 0;
  };
  const edit = (change: Edit, done: string): Promise<boolean> =>
    each(async (key) => onRow(await source.edit(key, change)), done);
  const put = async (change: Edit, done: string): Promise<void> => {
    if (await edit(change, done)) onClear();
  };
  const save = async (): Promise<void> => {
    setBusy(true);
    try {
      download(await source.export({ keys, title: many(keys.length, "run") }), keys.length === 1 ? `${rows[0]?.id ?? "run"}.html` : "runs.html");
    } catch (error) {
      say(`Not exported: ${(error as Error).message}`, "bad");
    }
    setBusy(false);
  };
  return (
    <div class="actions" role="toolbar" aria-label="Chosen runs">
      <b>{many(keys.length, "run")} chosen</b>
      <button type="button" class="strong" onClick={() => go(href("/charts", { keys }))}>
        Charts
      </button>
      <button type="button" disabled={keys.length < 2} onClick={() => go(href("/compare", { keys }))}>
        Compare
      </button>
      {!source.frozen && (
        <button type="button" disabled={busy} onClick={() => void save()} title="One HTML file that opens anywhere, without a server">
          Export
        </button>
      )}
      {!readonly && !trashed && (
        <>
          <button type="button" disabled={busy} onClick={(event) => setTagging(event.currentTarget.getBoundingClientRect())}>
            Tag…
          </button>
          <button type="button" disabled={busy} onClick={() => void put({ archived: !rows.every((row) => row.archived) }, rows.every((row) => row.archived) ? "brought back" : "archived")}>
            {rows.length > 0 && rows.every((row) => row.archived) ? "Unarchive" : "Archive"}
          </button>
          <button type="button" disabled={busy} onClick={() => void put({ trashed: true }, "in the trash")}>
            Trash
          </button>
        </>
      )}
      {!readonly && trashed && (
        <>
          <button type="button" disabled={busy} onClick={() => void put({ trashed: false }, "restored")}>
            Restore
          </button>
          <Forever
            count={keys.length}
            busy={busy}
            onSure={() => {
              void each((key) => source.remove(key), "deleted").then((well) => well && onClear());
            }}
          />
        </>
      )}
      <span class="spring" />
      <button type="button" class="plain" onClick={onClear}>
        Clear <kbd>Esc</kbd>
      </button>
      {tagging && (
        <Popover anchor={tagging} label="Tags of the chosen runs" onClose={() => setTagging(null)}>
          <TagsEditor
            tags={shared}
            known={known}
            onAdd={(tag) => void edit({ tags: { add: [tag] } }, `tagged ${tag}`)}
            onRemove={(tag) => void edit({ tags: { remove: [tag] } }, `lost the tag ${tag}`)}
          />
        </Popover>
      )}
    </div>
  );
}

/** A button that asks once more: what it does cannot be undone. */
function Forever({ count, busy, onSure }: { count: number; busy: boolean; onSure: () => void }) {
  const [sure, setSure] = useState(false);
  return (
    <button type="button" class={sure ? "danger" : ""} disabled={busy} onClick={() => (sure ? onSure() : setSure(true))} onBlur={() => setSure(false)}>
      {sure ? `Delete ${many(count, "run")} from disk for good` : "Delete…"}
    </button>
  );
}
