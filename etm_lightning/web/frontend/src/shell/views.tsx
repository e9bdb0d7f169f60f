import { useState } from "preact/hooks";

import { useApp } from "../app";
import { useAsked } from "../asked";
import { Popover } from "./popover";
import { Shown } from "./states";

/** Views by name: the address holds all of a view, so that is what is kept. */
export function ViewsButton() {
  const [open, setOpen] = useState<DOMRect | null>(null);
  return (
    <>
      <button type="button" class="plain" aria-haspopup="dialog" title="Named views" onClick={(event) => setOpen(event.currentTarget.getBoundingClientRect())}>
        Views
      </button>
      {open && (
        <Popover anchor={open} label="Views" onClose={() => setOpen(null)}>
          <Views close={() => setOpen(null)} />
        </Popover>
      )}
    </>
  );
}

function Views({ close }: { close: () => void }) {
  const { source, readonly, say } = useApp();
  const [name, setName] = useState("");
  const asked = useAsked(() => source.views(), [source]);
  const keep = (what: string, address: string, done: () => void): void => {
    source.keepView(what, address).then(done, (error: unknown) => say((error as Error).message, "bad"));
  };
  const save = (event: Event): void => {
    event.preventDefault();
    const wanted = name.trim();
    if (!wanted) return;
    keep(wanted, location.hash || "#/runs", () => {
      say(`This view is kept as “${wanted}”`);
      close();
    });
  };
  return (
    <div class="views">
      {!readonly && (
        <form onSubmit={save}>
          <input type="text" data-first placeholder="Name of what is shown now" aria-label="Name of this view" maxLength={100} value={name} onInput={(event) => setName(event.currentTarget.value)} />
          <button type="submit" class="strong" disabled={!name.trim()}>
            Keep
          </button>
        </form>
      )}
      <Shown asked={asked}>
        {(views) =>
          views.length ? (
            <ul>
              {views.map((view) => (
                <li key={view.name}>
                  <a class="ellipsis" href={view.address} onClick={close} aria-current={view.address === location.hash ? "page" : undefined}>
                    {view.name}
                  </a>
                  {!readonly && (
                    <button type="button" class="plain icon" aria-label={`Forget ${view.name}`} title="Forget it" onClick={() => keep(view.name, "", asked.again)}>
                      ×
                    </button>
                  )}
                </li>
              ))}
            </ul>
          ) : (
            <p class="soft small">No view has a name yet. A name keeps this page as it is now: filter, order, columns, charts, zoom.</p>
          )
        }
      </Shown>
    </div>
  );
}
