import { useState } from "preact/hooks";

import { useApp } from "../app";
import type { Media } from "../api/types";

/** Pictures side by side; one fills the window when it is pressed. */
export function Pictures({ run, items }: { run: string; items: Media[] }) {
  const { source } = useApp();
  const [large, setLarge] = useState<Media | null>(null);
  const shown = items.filter((one) => source.mediaUrl(run, one.id));
  const move = (by: number): void => {
    if (large) setLarge(shown[(shown.indexOf(large) + by + shown.length) % shown.length] ?? null);
  };
  if (shown.length === 0) return <p class="soft">The pictures were left out of this page.</p>;
  return (
    <>
      <div class={shown.length > 1 ? "pictures several" : "pictures"}>
        {shown.map((one) => (
          <button key={one.id} type="button" class="picture" onClick={() => setLarge(one)} aria-label={`Enlarge ${one.caption || one.name}`}>
            <img src={source.mediaUrl(run, one.id)} alt={one.caption || `${one.name} at step ${one.step ?? 0}`} loading="lazy" />
            {one.caption && <small class="soft ellipsis">{one.caption}</small>}
          </button>
        ))}
      </div>
      {large && (
        <dialog
          class="large"
          ref={(dialog) => {
            if (dialog && !dialog.open) dialog.showModal();
          }}
          onClose={() => setLarge(null)}
          onClick={() => setLarge(null)}
          onKeyDown={(event) => {
            if (event.key === "ArrowRight") move(1);
            if (event.key === "ArrowLeft") move(-1);
          }}
          aria-label={large.caption || large.name}
        >
          <img src={source.mediaUrl(run, large.id)} alt={large.caption || large.name} />
          <p>{large.caption || large.name}</p>
        </dialog>
      )}
    </>
  );
}
