import { useState } from "preact/hooks";

import { useApp } from "../app";
import type { RunDetail } from "../api/types";
import { useChange } from "../edit/change";
import { TextEditor } from "../edit/text";
import { Markdown } from "../markdown";

export function Notes({ run, again }: { run: RunDetail; again: () => void }) {
  const { readonly } = useApp();
  const [open, setOpen] = useState(false);
  const change = useChange();
  const { key, notes } = run.row;
  if (readonly && !notes) return null;
  const save = async (text: string): Promise<void> => {
    if (!(await change(key, { notes: text }))) return;
    setOpen(false);
    again();
  };
  return (
    <section>
      <div class="section-head">
        <h2>Notes</h2>
        {!readonly && !open && (
          <button type="button" class="plain small" onClick={() => setOpen(true)}>
            {notes ? "✎ Edit" : "+ Write"}
          </button>
        )}
      </div>
      {open ? (
        <TextEditor label="Notes" value={notes} lines={10} onSave={(text) => void save(text)} onCancel={() => setOpen(false)} />
      ) : notes ? (
        <Markdown text={notes} />
      ) : (
        <p class="faint">None.</p>
      )}
    </section>
  );
}
