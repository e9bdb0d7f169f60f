import type { Row } from "../api/types";
import { href, path } from "../router";
import { StatusSign } from "../shell/status";
import { many, named } from "../words";
import type { Column } from "./columns";
import { Editable } from "./editable";
import { HEIGHT, type Editing, type Item } from "./items";
import { Spark } from "./spark";
import type { Spark as Values } from "./sparks";

interface Props {
  index: number;
  item: Item | undefined;
  columns: Column[];
  template: string;
  active: boolean;
  chosen: boolean;
  colour: string | undefined;
  spark: (metric: string, key: string) => Values | undefined;
  onPick: (extend: boolean) => void;
  onActive: () => void;
  onOpen: (id: string) => void;
  onEdit: (editing: Editing) => void;
}

export function Line(props: Props) {
  const { index, item, template, active, chosen } = props;
  const kind = item?.kind === "fold" ? " fold" : item?.inside ? " inside" : "";
  return (
    <div
      id={`line-${index}`}
      class={`line${active ? " active" : ""}${chosen ? " chosen" : ""}${kind}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={chosen}
      aria-expanded={item?.kind === "fold" ? item.open : undefined}
      style={{ transform: `translateY(${index * HEIGHT}px)`, gridTemplateColumns: template }}
      onPointerDown={props.onActive}
    >
      {item === undefined ? <Blank columns={props.columns.length} /> : item.kind === "row" ? <One {...props} row={item.row} /> : <Several {...props} item={item} />}
    </div>
  );
}

function Pick({ chosen, colour, label, onPick }: { chosen: boolean; colour: string | undefined; label: string; onPick: Props["onPick"] }) {
  return (
    <div role="gridcell" class="pick">
      <input
        type="checkbox"
        tabIndex={-1}
        checked={chosen}
        aria-label={`Choose ${label}`}
        style={colour ? { accentColor: colour } : {}}
        onClick={(event) => {
          event.preventDefault();
          onPick(event.shiftKey);
        }}
      />
    </div>
  );
}

function One({ row, columns, chosen, colour, spark, onPick, onEdit }: Props & { row: Row }) {
  const name = named(row);
  return (
    <>
      <Pick chosen={chosen} colour={colour} label={name} onPick={onPick} />
      <div role="gridcell" class="name stuck" data-column="name" style={colour ? { boxShadow: `inset 3px 0 ${colour}` } : {}}>
        <span title={row.status}>
          <StatusSign status={row.status} />
        </span>
        <a class="ellipsis" href={href(path("run", row.key))} tabIndex={-1} title={row.id}>
          {name}
        </a>
        {row.archived && <small class="faint">archived</small>}
        {row.evaluates && <small class="faint">test</small>}
        {row.damage > 0 && (
          <small class="warn" title="Parts of its journal are damaged">
            damaged
          </small>
        )}
      </div>
      {columns.map((column) =>
        column.id === "tags" || column.id === "notes" ? (
          <Editable key={column.id} field={column.id} row={row} onEdit={onEdit} />
        ) : (
          <div key={column.id} role="gridcell" data-column={column.id} class={column.right ? "num cell" : "cell"} title={column.full?.(row)}>
            {column.metric && <Spark values={spark(column.metric, row.key)} colour={colour} />}
            <span class="ellipsis">{column.cell(row)}</span>
          </div>
        ),
      )}
    </>
  );
}

function Several({ item, columns, chosen, onPick, onOpen }: Props & { item: Item & { kind: "fold" } }) {
  const { fold, open } = item;
  return (
    <>
      <Pick chosen={chosen} colour={undefined} label={fold.label} onPick={onPick} />
      <div role="gridcell" class="name stuck">
        <button type="button" class="plain icon twist" tabIndex={-1} aria-label={open ? "Close" : "Open"} onClick={() => onOpen(fold.id)}>
          {open ? "▾" : "▸"}
        </button>
        <b class="ellipsis" title={fold.label}>
          {fold.label}
        </b>
        <span class="chip">{many(fold.rows.length, "run")}</span>
      </div>
      {columns.map((column) => (
        <div key={column.id} role="gridcell" class={column.right ? "num cell" : "cell"}>
          <span class="ellipsis">{column.folded(fold.rows)}</span>
        </div>
      ))}
    </>
  );
}

function Blank({ columns }: { columns: number }) {
  return (
    <>
      {Array.from({ length: columns + 2 }, (_, i) => (
        <div key={i} role="gridcell" class="blank">
          {i > 0 && <i />}
        </div>
      ))}
    </>
  );
}
