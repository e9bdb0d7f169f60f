import { useState } from "preact/hooks";

import { useApp } from "../app";
import type { Columns } from "../api/types";
import { many } from "../words";
import { Chooser } from "./chooser";
import { Filter } from "./filter";

type Set = (value: string, push?: boolean) => void;

interface Props {
  q: string;
  setQ: Set;
  project: string;
  setProject: Set;
  group: string;
  setGroup: Set;
  store: string;
  setStore: Set;
  by: string;
  setBy: Set;
  kept: string;
  setKept: Set;
  beside: string;
  setBeside: Set;
  columns: Columns | null;
  /** Somebody begins to choose columns or to write a search: all their names are wanted. */
  onChoosing: () => void;
  error: Error | null;
  ids: string[];
  onColumns: (ids: string[] | null) => void;
  total: number;
  empty: boolean;
}

/** Over the table: which runs, which columns, how they are folded. */
export function Tools(props: Props) {
  const { session } = useApp();
  const [choosing, setChoosing] = useState<DOMRect | null>(null);
  const stores = session.stores;
  const projects = [...new Set(stores.filter((one) => !props.store || one.id === props.store).flatMap((one) => one.projects))].sort();
  return (
    <div class="tools">
      {stores.length > 1 && (
        <Choice label="Store" value={props.store} onValue={props.setStore} options={[["", "All stores"], ...stores.map((one): [string, string] => [one.id, one.name])]} />
      )}
      {projects.length > 1 && (
        <Choice label="Project" value={props.project} onValue={props.setProject} options={[["", "All projects"], ...projects.map((one): [string, string] => [one, one])]} />
      )}
      {props.group && (
        <button type="button" class="chip" onClick={() => props.setGroup("")} title="Show the runs of all groups">
          group {props.group} ×
        </button>
      )}
      <Filter value={props.q} onValue={props.setQ} columns={props.columns} error={props.error} onFocus={props.onChoosing} />
      <span class="soft count" role="status">
        {props.empty ? "" : many(props.total, "run")}
      </span>
      <span class="spring" />
      <Choice
        label="Fold"
        value={props.by}
        onValue={props.setBy}
        options={[
          ["", "Each run"],
          ["settings", "Mean over seeds"],
          ["group", "By group"],
        ]}
      />
      <Choice
        label="Show"
        value={props.kept}
        onValue={props.setKept}
        options={[
          ["", "Current"],
          ["archived", "With archived"],
          ["trash", "Trash"],
        ]}
      />
      <button type="button" aria-haspopup="dialog" onClick={(event) => {
          props.onChoosing();
          setChoosing(event.currentTarget.getBoundingClientRect());
        }}>
        Columns
      </button>
      <button type="button" aria-pressed={Boolean(props.beside)} onClick={() => props.setBeside(props.beside ? "" : "1")} title="Curves of the chosen runs beside the table">
        Charts beside
      </button>
      {choosing && (
        <Chooser anchor={choosing} columns={props.columns} chosen={props.ids} onChosen={props.onColumns} onClose={() => setChoosing(null)} />
      )}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  options: [string, string][];
  onValue: Set;
}

export function Choice({ label, value, options, onValue }: ChoiceProps) {
  return (
    <select aria-label={label} title={label} value={value} class={value ? "set" : ""} onChange={(event) => onValue(event.currentTarget.value, true)}>
      {options.map(([id, text]) => (
        <option key={id} value={id}>
          {text}
        </option>
      ))}
    </select>
  );
}
