/** The runs beside the charts: which colour is whose, and who is shown. */

import { useState } from "preact/hooks";

import { useApp } from "../app";
import type { Row } from "../api/types";
import { href, path } from "../router";
import { named, sharedStart, shortly } from "../words";
import type { RunGroup } from "./groups";
import { Swatch } from "./readout";
import { fits } from "./sections";
import type { View } from "./view";
import type { Workspace } from "./workspace";

interface Props {
  rows: readonly Row[];
  groups: readonly RunGroup[] | null;
  view: View;
  change: (patch: Partial<View>) => void;
  workspace: Workspace;
}

export function Side({ rows, groups, view, change, workspace }: Props) {
  const [filter, setFilter] = useState("");
  const found = rows.filter((row) => fits(`${row.name} ${row.id} ${row.tags.join(" ")} ${row.status}`, filter));
  const hidden = new Set(view.hidden);
  const flip = (keys: readonly string[], show: boolean) =>
    change({ hidden: show ? view.hidden.filter((key) => !keys.includes(key)) : [...new Set([...view.hidden, ...keys])] });
  const only = (keys: readonly string[]) => change({ hidden: rows.map((row) => row.key).filter((key) => !keys.includes(key)) });
  const all = found.map((row) => row.key);
  const shown = rows.length - rows.filter((row) => hidden.has(row.key)).length;
  return (
    <aside class="chart-side" aria-label="Runs">
      <div class="side-head">
        <label>
          <input type="checkbox" checked={shown === rows.length} aria-label="Show all" onChange={(event) => flip(all, event.currentTarget.checked)} />
          <b>
            {shown === rows.length ? rows.length : `${shown} of ${rows.length}`} runs
          </b>
        </label>
        {rows.length > 8 && <input type="search" placeholder="Find runs…" aria-label="Find runs" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />}
      </div>
      <ul>
        {groups
          ? groups.map((group, slot) => <Group key={group.id} {...{ group, slot, hidden, flip, only, workspace }} rows={found} />)
          : found.map((row) => <One key={row.key} {...{ row, hidden, flip, only, workspace }} />)}
      </ul>
    </aside>
  );
}

interface Part {
  hidden: ReadonlySet<string>;
  flip: (keys: readonly string[], show: boolean) => void;
  only: (keys: readonly string[]) => void;
  workspace: Workspace;
}

/** @param less what stands above it already: its name is shown without that, and it has no colour of its own */
function One({ row, hidden, flip, only, workspace, less }: Part & { row: Row; less?: string }) {
  const { theme, colours } = useApp();
  const name = named(row);
  const point = (line: string | null) => workspace.point({ chart: "", x: null, line });
  return (
    <li class="side-run" onMouseEnter={() => point(row.key)} onMouseLeave={() => point(null)}>
      <input type="checkbox" checked={!hidden.has(row.key)} aria-label={`Show ${name}`} onChange={(event) => flip([row.key], event.currentTarget.checked)} />
      {less === undefined && <Swatch slot={colours.slot(row.key)} theme={theme} />}
      <a class="ellipsis" href={href(path("run", row.key))} title={`${name}\n${row.id}\n${row.status}`}>
        {less ? `…${name.slice(less.length)}` : shortly(row)}
      </a>
      {row.status !== "finished" && <small class={`side-status ${row.status}`}>{row.status}</small>}
      <button type="button" class="plain only" onClick={() => only([row.key])}>
        only
      </button>
    </li>
  );
}

function Group({ group, slot, rows, ...part }: Part & { group: RunGroup; slot: number; rows: readonly Row[] }) {
  const { theme } = useApp();
  const members = rows.filter((row) => group.keys.includes(row.key));
  if (!members.length) return null;
  const less = sharedStart(members.map(named));
  const { hidden, flip, only, workspace } = part;
  const point = (line: string | null) => workspace.point({ chart: "", x: null, line });
  return (
    <li>
      <div class="side-run" onMouseEnter={() => point(group.id)} onMouseLeave={() => point(null)}>
        <input type="checkbox" checked={members.some((row) => !hidden.has(row.key))} aria-label={`Show ${group.label}`} onChange={(event) => flip(group.keys, event.currentTarget.checked)} />
        <Swatch slot={slot} theme={theme} />
        <b title={group.label}>
          {group.label}
        </b>
        <button type="button" class="plain only" onClick={() => only(group.keys)}>
          only
        </button>
      </div>
      {members.length > 1 && (
        <ul>
          {members.map((row) => (
            <One key={row.key} {...part} row={row} less={less} />
          ))}
        </ul>
      )}
    </li>
  );
}
