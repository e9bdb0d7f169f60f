import { useCallback, useEffect, useMemo, useState } from "preact/hooks";

import { useApp } from "../app";
import { useAsked } from "../asked";
import { columnsOf } from "../api/embedded";
import { SourceError } from "../api/source";
import type { Row, RunsQuery } from "../api/types";
import { Charts } from "../charts";
import { EditPopup } from "../edit/popup";
import { whole } from "../numbers/format";
import { useListParam, useParam } from "../router";
import { Empty, Failure, Loading } from "../shell/states";
import { Actions } from "./actions";
import { columnOf, usual } from "./columns";
import { fold, sortFolds, type FoldBy } from "./fold";
import { items, keysOf, type Editing, type Item } from "./items";
import { allKeys, MOST, useRows } from "./rows";
import { useSelection } from "./selection";
import { Table } from "./table";
import { Tools } from "./tools";
import "./runs.css";

/** Beside the table, with nothing chosen, so many of its first runs have their curves drawn. */
const BESIDE = 10;

/** So many runs tell which columns there are, until somebody chooses some. */
const TOLD = 500;

/** `#/runs`: the table of runs, and whatever is done with several of them. */
export function RunsPage() {
  const { source, session, say } = useApp();
  const [q, setQ] = useParam("q");
  const [sort, setSort] = useParam("sort", "-created");
  const [project, setProject] = useParam("project");
  const [group, setGroup] = useParam("group");
  const [store, setStore] = useParam("store");
  const [by, setBy] = useParam("fold");
  const [kept, setKept] = useParam("show");
  const [beside, setBeside] = useParam("beside");
  const [chosenColumns, setColumns] = useListParam("cols");
  const selection = useSelection();
  const [editing, setEditing] = useState<Editing | null>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());

  const query: RunsQuery = { q, sort, project, group, store, archived: kept === "archived", trashed: kept === "trash" };
  const place = JSON.stringify([store, project, group]);
  // the columns until somebody chooses; once they are shown, other rows of the same place do not change them
  const [standard, setStandard] = useState<{ place: string; ids: string[] } | null>(null);
  const projects = session.stores.flatMap((one) => one.projects).length;
  const known = chosenColumns.length > 0 || standard?.place === place;
  const ids = chosenColumns.length ? chosenColumns : (standard?.ids ?? usual(null, [], projects));
  // what is folded is here as a whole, with the columns that it needs: some rows say first which these are
  const rows = useRows(query, by && known ? [...ids, sort.replace("-", "")] : null);
  const waiting = rows.empty || (by !== "" && !rows.whole);
  if (!known && !rows.stale && rows.loaded.length) {
    const first = rows.loaded.slice(0, 100);
    setStandard({ place, ids: usual(columnsOf(first), first, projects) });
  }
  // asked for when somebody is about to choose: until then the columns of the rows that are here do
  const [choosing, setChoosing] = useState(false);
  const columns = useAsked(
    () => (choosing ? source.columns({ store, project }) : Promise.resolve(null)),
    [source, store, project, choosing],
    true,
  );
  const here = useMemo(() => columns.value ?? columnsOf(rows.loaded.slice(0, TOLD)), [columns.value, rows.loaded.length]);
  const shownColumns = useMemo(() => ids.map(columnOf), [ids.join("\n")]);

  const lines = useMemo(
    () => (by ? items(sortFolds(fold(rows.loaded, by as FoldBy), sort), open) : null),
    [by, sort, open, rows.loaded],
  );
  const item = (index: number): Item | undefined => {
    if (lines) return lines[index];
    const row = rows.at(index);
    return row && { kind: "row", id: row.key, row, inside: false };
  };
  const count = lines ? lines.length : rows.total;
  const flip = useCallback((id: string): void => {
    setOpen((was) => {
      const next = new Set(was);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);
  const all = useCallback((): void => {
    allKeys(source, query).then(selection.set, (error: unknown) => say((error as Error).message, "bad"));
  }, [source, JSON.stringify(query), selection.set, say]);

  const tags = useMemo(() => [...new Set(rows.loaded.flatMap((row) => row.tags))].sort(), [rows.loaded]);
  const edited = editing && rows.loaded.find((row) => row.key === editing.key);
  const keys = [...selection.keys];
  const top = Array.from({ length: Math.min(BESIDE, count) }, (_, i) => item(i)).flatMap((one) => (one ? keysOf(one) : []));
  const drawn = keys.length ? keys : top.slice(0, BESIDE);
  const unreadable = rows.error instanceof SourceError && rows.error.status === 400;

  useEffect(() => {
    document.title = `Runs${project ? ` · ${project}` : ""} · ETM`;
  }, [project]);

  return (
    <div class={`runs${beside ? " with-charts" : ""}`}>
      <Tools
        {...{ q, setQ, project, setProject, group, setGroup, store, setStore, by, setBy, kept, setKept, beside, setBeside }}
        columns={here}
        onChoosing={() => setChoosing(true)}
        error={rows.error}
        ids={ids}
        onColumns={(next) => setColumns(next ?? [])}
        total={rows.total}
        empty={waiting}
      />
      {keys.length > 0 && (
        <Actions
          keys={keys}
          rows={rows.loaded.filter((row) => selection.keys.has(row.key))}
          known={tags}
          trashed={kept === "trash"}
          onRow={rows.put}
          onDone={rows.again}
          onClear={() => selection.set([])}
        />
      )}
      {by && rows.total > MOST && <p class="banner">Only the first {whole(MOST)} runs are folded: filter for fewer.</p>}
      <div class="runs-body">
        {waiting && rows.error && !unreadable ? (
          <Failure error={rows.error} again={rows.again} />
        ) : waiting ? (
          unreadable ? null : <Loading lines={14} />
        ) : count === 0 && !unreadable ? (
          <Nothing filtered={Boolean(q || project || group || kept)} />
        ) : (
          <Table
            {...{ count, item, sort, selection, columns: shownColumns }}
            want={rows.want}
            drawn={beside && !by ? drawn : []}
            onSort={setSort}
            onAll={all}
            onOpen={flip}
            onEdit={setEditing}
            stale={rows.stale || unreadable}
          />
        )}
        {beside && drawn.length > 0 && (
          <section class="runs-charts" aria-label="Charts of these runs">
            <Charts source={source} keys={drawn} only="metrics" listed={!by} />
          </section>
        )}
      </div>
      {editing && edited && (
        <EditPopup editing={editing} row={edited} known={tags} onRow={(row: Row) => rows.put(row)} onClose={() => setEditing(null)} />
      )}
    </div>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  if (filtered) return <Empty title="No run fits">Try a wider filter, or all projects.</Empty>;
  return (
    <div class="empty">
      <h2>No runs yet</h2>
      <p>One line in a Trainer is enough. They appear here as they start.</p>
      <pre class="start">
        {'from etm_lightning import ETMLogger\n\ntrainer = Trainer(logger=ETMLogger("my-project"))'}
      </pre>
    </div>
  );
}
