import { useState } from "preact/hooks";

/** A button that puts a text into the clipboard. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text).catch(() => oldWay(text));
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class="copy" onClick={() => void copy()} aria-label={label} title={label}>
      {done ? "✓ Copied" : "Copy"}
    </button>
  );
}

/** Pages that were not opened by https or from this machine have no clipboard of the newer kind. */
function oldWay(text: string): void {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
