import { useEffect, useState } from "preact/hooks";

import { useApp, useLive, useReturn } from "../app";
import { useAsked } from "../asked";
import type { Group, Status } from "../api/types";
import { date } from "../numbers/format";
import { href, path, useParam } from "../router";
import { Empty, Shown } from "../shell/states";
import { StatusSign } from "../shell/status";
import { ago, many } from "../words";
import "./groups.css";

/** `#/groups`: every sweep and study, newest first. */
export function GroupsPage() {
  const { source } = useApp();
  const [find, setFind] = useParam("find");
  const asked = useAsked(() => source.groups(), [source]);
  const [due, setDue] = useState(false);
  useLive(() => setDue(true));
  useReturn(asked.again);
  useEffect(() => {
    document.title = "Groups · ETM";
  }, []);
  useEffect(() => {
    if (!due) return;
    const timer = setTimeout(() => {
      setDue(false);
      asked.again();
    }, 1500);
    return () => clearTimeout(timer);
  }, [due]);
  return (
    <div class="page groups">
      <div class="tools-line">
        <h1>Groups</h1>
        <input type="search" placeholder="Find by name" aria-label="Find groups" value={find} onInput={(event) => setFind(event.currentTarget.value)} />
      </div>
      <Shown asked={asked}>{(groups) => <List groups={groups} find={find} />}</Shown>
    </div>
  );
}

function List({ groups, find }: { groups: Group[]; find: string }) {
  const { session } = useApp();
  const shown = groups.filter((one) => `${one.group} ${one.project}`.toLowerCase().includes(find.toLowerCase()));
  if (groups.length === 0) return <Empty title="No groups yet">Runs of one multirun or study come together here, and runs with a group of their own.</Empty>;
  if (shown.length === 0) return <Empty title="No group has that name" />;
  const stores = new Map(session.stores.map((one) => [one.id, one.name]));
  return (
    <div class="scroll">
      <table class="values groups-table">
        <thead>
          <tr>
            <th>Group</th>
            {stores.size > 1 && <th>Store</th>}
            <th>Project</th>
            <th class="num">Runs</th>
            <th>Status</th>
            <th>Began</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={`${one.store}/${one.project}/${one.group}`}>
              <th scope="row">
                <a href={href(path("group", one.store, one.project, one.group))}>{one.group}</a>
                {one.study && <small class="chip">study</small>}
              </th>
              {stores.size > 1 && <td>{stores.get(one.store)}</td>}
              <td>{one.project}</td>
              <td class="num">{one.runs}</td>
              <td>
                <Statuses statuses={one.status} total={one.runs} />
              </td>
              <td class="soft" title={date(one.created)}>
                {ago(one.created)}
              </td>
              <td>
                <a href={href("/runs", { store: stores.size > 1 ? one.store : "", project: one.project, group: one.group })}>Runs</a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A bar of how the runs stand, with the numbers beside it. */
function Statuses({ statuses, total }: { statuses: Group["status"]; total: number }) {
  const order: Status[] = ["finished", "running", "pruned", "preempted", "interrupted", "failed", "crashed"];
  const known = order.flatMap((status) => (statuses[status] ? [[status, statuses[status]] as const] : []));
  return (
    <span class="statuses" title={known.map(([status, n]) => `${many(n, "run")} ${status}`).join(", ")}>
      <span class="bar" aria-hidden="true">
        {known.map(([status, n]) => (
          <i key={status} class={status} style={{ width: `${(n / total) * 100}%` }} />
        ))}
      </span>
      {known.map(([status, n]) => (
        <span key={status} class="status">
          <StatusSign status={status} />
          {n}
          <span class="hidden"> {status}</span>
        </span>
      ))}
    </span>
  );
}
