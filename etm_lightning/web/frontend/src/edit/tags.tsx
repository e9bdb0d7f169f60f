import { useState } from "preact/hooks";

interface Props {
  tags: string[];
  /** Tags that other runs have. */
  known: string[];
  onAdd: (tag: string) => void;
  onRemove: (tag: string) => void;
}

/** Tags with a field for more: Enter or a comma adds, Backspace in an empty field removes the last. */
export function TagsEditor({ tags, known, onAdd, onRemove }: Props) {
  const [text, setText] = useState("");
  const add = (tag: string): void => {
    const clean = tag.trim().replace(/,$/, "");
    if (clean && !tags.includes(clean)) onAdd(clean);
    setText("");
  };
  const offered = known.filter((tag) => !tags.includes(tag) && tag.toLowerCase().includes(text.toLowerCase())).slice(0, 8);
  return (
    <div class="tags-editor">
      <div class="tags">
        {tags.map((tag) => (
          <button key={tag} type="button" class="tag" aria-label={`Remove tag ${tag}`} onClick={() => onRemove(tag)}>
            {tag} <span aria-hidden="true">×</span>
          </button>
        ))}
      </div>
      <input
        data-first
        type="text"
        value={text}
        placeholder="Add a tag"
        aria-label="Add a tag"
        maxLength={200}
        onInput={(event) => {
          const value = event.currentTarget.value;
          if (value.endsWith(",")) add(value);
          else setText(value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") add(text);
          else if (event.key === "Backspace" && !text && tags.length) onRemove(tags[tags.length - 1] as string);
        }}
      />
      {offered.length > 0 && (
        <div class="tags offered" aria-label="Tags of other runs">
          {offered.map((tag) => (
            <button key={tag} type="button" class="tag" onClick={() => add(tag)}>
              + {tag}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
