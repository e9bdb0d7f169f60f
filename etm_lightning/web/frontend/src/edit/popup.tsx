import type { Row } from "../api/types";
import type { Editing } from "../runs/items";
import { Popover } from "../shell/popover";
import { named } from "../words";
import { useChange } from "./change";
import { TagsEditor } from "./tags";
import { TextEditor } from "./text";

interface Props {
  editing: Editing;
  row: Row;
  known: string[];
  onRow: (row: Row) => void;
  onClose: () => void;
}

/** The editor of a run's tags, notes or name, over the cell where they stand. */
export function EditPopup({ editing, row, known, onRow, onClose }: Props) {
  const change = useChange();
  const { field, anchor } = editing;
  const save = async (edit: Parameters<typeof change>[1], close: boolean): Promise<void> => {
    const changed = await change(row.key, edit);
    if (changed) onRow(changed);
    if (changed && close) onClose();
  };
  return (
    <Popover anchor={anchor} width={field === "notes" ? 440 : 320} label={`Edit ${field} of ${named(row)}`} onClose={onClose}>
      {field === "tags" ? (
        <TagsEditor
          tags={row.tags}
          known={known}
          onAdd={(tag) => void save({ tags: { add: [tag] } }, false)}
          onRemove={(tag) => void save({ tags: { remove: [tag] } }, false)}
        />
      ) : (
        <TextEditor
          label={field === "notes" ? "Notes" : "Name"}
          value={field === "notes" ? row.notes : row.name}
          lines={field === "notes" ? 7 : 1}
          onSave={(value) => void save({ [field]: value }, true)}
          onCancel={onClose}
        />
      )}
    </Popover>
  );
}
