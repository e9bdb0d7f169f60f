import { useApp } from "../app";
import type { Row } from "../api/types";
import { firstLine } from "../markdown/first_line";
import type { Editing } from "./items";

interface Props {
  field: "tags" | "notes";
  row: Row;
  onEdit: (editing: Editing) => void;
}

/** A cell that opens an editor where it is pressed. */
export function Editable({ field, row, onEdit }: Props) {
  const { readonly } = useApp();
  const open = (event: MouseEvent): void => {
    const cell = (event.currentTarget as HTMLElement).closest("[data-column]");
    if (cell && !readonly) onEdit({ field, key: row.key, anchor: cell.getBoundingClientRect() });
  };
  return (
    <div role="gridcell" class="cell edit" data-column={field} title={field === "notes" ? row.notes : row.tags.join(", ")} onDblClick={open}>
      {field === "tags" ? (
        <span class="tags">
          {row.tags.map((tag) => (
            <span key={tag} class="tag">
              {tag}
            </span>
          ))}
        </span>
      ) : (
        <span class="ellipsis soft">{firstLine(row.notes)}</span>
      )}
      {!readonly && (
        <button type="button" class="plain icon pen" tabIndex={-1} aria-label={`Edit ${field}`} onClick={open}>
          ✎
        </button>
      )}
    </div>
  );
}
