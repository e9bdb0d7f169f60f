import { useState } from "preact/hooks";

import type { Columns } from "../api/types";
import { Popover } from "../shell/popover";
import { columnOf, FIXED_IDS } from "./columns";

interface Props {
  anchor: DOMRect;
  columns: Columns | null;
  chosen: string[];
  onChosen: (ids: string[] | null) => void;
  onClose: () => void;
}

/** Which columns a table has, and in which order. */
export function Chooser({ anchor, columns, chosen, onChosen, onClose }: Props) {
  const [text, setText] = useState("");
  const fits = (id: string): boolean => id.toLowerCase().includes(text.toLowerCase());
  const parts: [string, string[]][] = [
    ["Metrics", (columns?.metrics ?? []).map((one) => `metric.${one.name}`)],
    ["Settings", (columns?.params ?? []).map((one) => `param.${one.name}`)],
    ["About the run", FIXED_IDS],
  ];
  const flip = (id: string): void => onChosen(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]);
  const shift = (id: string, by: number): void => {
    const next = chosen.filter((one) => one !== id);
    next.splice(Math.max(0, chosen.indexOf(id) + by), 0, id);
    onChosen(next);
  };
  return (
    <Popover anchor={anchor} width={340} label="Columns" onClose={onClose}>
      <div class="chooser">
        <input data-first type="search" placeholder="Find a column" aria-label="Find a column" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <div class="chooser-list">
          <h3>Shown</h3>
          <ul>
            {chosen.filter(fits).map((id) => (
              <li key={id}>
                <label>
                  <input type="checkbox" checked onChange={() => flip(id)} />
                  <span class="ellipsis">{columnOf(id).label}</span>
                </label>
                <button type="button" class="plain icon" aria-label={`Move ${columnOf(id).label} left`} onClick={() => shift(id, -1)}>
                  ↑
                </button>
                <button type="button" class="plain icon" aria-label={`Move ${columnOf(id).label} right`} onClick={() => shift(id, 1)}>
                  ↓
                </button>
              </li>
            ))}
          </ul>
          {parts.map(([title, ids]) => {
            const left = ids.filter((id) => !chosen.includes(id) && fits(id));
            return (
              left.length > 0 && (
                <section key={title}>
                  <h3>{title}</h3>
                  <ul>
                    {left.slice(0, 200).map((id) => (
                      <li key={id}>
                        <label>
                          <input type="checkbox" checked={false} onChange={() => flip(id)} />
                          <span class="ellipsis">{columnOf(id).label}</span>
                        </label>
                      </li>
                    ))}
                    {left.length > 200 && <li class="faint">{left.length - 200} more: find them by name</li>}
                  </ul>
                </section>
              )
            );
          })}
        </div>
        <div class="buttons">
          <button type="button" class="plain" onClick={() => onChosen(null)}>
            As usual
          </button>
          <span class="spring" />
          <button type="button" onClick={onClose}>
            Done
          </button>
        </div>
      </div>
    </Popover>
  );
}
