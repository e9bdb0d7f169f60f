import { useState } from "preact/hooks";

interface Props {
  label: string;
  value: string;
  lines?: number;
  onSave: (value: string) => void;
  onCancel: () => void;
}

/** A field that is saved by its button, by Enter (one line) or Ctrl+Enter (several). */
export function TextEditor({ label, value, lines = 1, onSave, onCancel }: Props) {
  const [text, setText] = useState(value);
  const pressed = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || (lines > 1 && !event.ctrlKey && !event.metaKey)) return;
    event.preventDefault();
    onSave(text);
  };
  const common = { value: text, "aria-label": label, onKeyDown: pressed };
  return (
    <div class="text-editor">
      {lines > 1 ? (
        <textarea data-first rows={lines} {...common} onInput={(event) => setText(event.currentTarget.value)} />
      ) : (
        <input data-first type="text" {...common} onInput={(event) => setText(event.currentTarget.value)} />
      )}
      <div class="buttons">
        {lines > 1 && <small class="faint">Markdown · Ctrl+Enter saves</small>}
        <span class="spring" />
        <button type="button" class="plain" onClick={onCancel}>
          Cancel
        </button>
        <button type="button" class="strong" onClick={() => onSave(text)}>
          Save
        </button>
      </div>
    </div>
  );
}
