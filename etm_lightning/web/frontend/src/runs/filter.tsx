import { useEffect, useRef, useState } from "preact/hooks";

import { useApp } from "../app";
import type { Columns } from "../api/types";
import { SourceError } from "../api/source";
import { Popover } from "../shell/popover";
import { suggestions } from "./suggest";

interface Props {
  value: string;
  onValue: (value: string, push: boolean) => void;
  columns: Columns | null;
  error: Error | null;
  onFocus: () => void;
}

const EXAMPLES: [string, string][] = [
  ["lr > 1e-4 and val/f1 > 0.9", "settings and metrics by name"],
  ['"baseline" in tags', "tags"],
  ['status == "crashed"', "running, finished, failed, crashed, …"],
  ['param.encoder == "minilm"', "param. and metric. where a name is ambiguous"],
  ["created > 7d and not (seed in (1, 2))", "not, and, or, parentheses, lists"],
  ['"frozen first"', "a word, or words in quotation marks: in the name, id, group, tags or notes"],
];

/** The search box: it asks a moment after the last key, and shows where a search cannot be read. */
export function Filter({ value, onValue, columns, error, onFocus }: Props) {
  const { source } = useApp();
  const [text, setText] = useState(value);
  const [help, setHelp] = useState<DOMRect | null>(null);
  const [chosen, setChosen] = useState(-1);
  const [open, setOpen] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef(0);
  const sent = useRef(value);

  useEffect(() => {
    if (value !== sent.current) setText(value);
    sent.current = value;
  }, [value]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const typing = (event.target as HTMLElement).closest("input, textarea, select, [role=dialog]");
      if (event.key !== "/" || typing) return;
      event.preventDefault();
      field.current?.select();
      field.current?.focus();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);

  const send = (next: string, push: boolean): void => {
    clearTimeout(timer.current);
    sent.current = next.trim();
    onValue(next.trim(), push);
  };
  const typed = (next: string): void => {
    setText(next);
    setChosen(-1);
    setOpen(true);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => send(next, false), 300);
  };
  const at = field.current?.selectionStart ?? text.length;
  const offered = open && !source.frozen ? suggestions(text, at, columns) : [];
  const take = (index: number): void => {
    const one = offered[index];
    if (!one) return;
    setOpen(false);
    setText(one.text);
    send(one.text, false);
    requestAnimationFrame(() => field.current?.setSelectionRange(one.caret, one.caret));
  };
  const pressed = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (step && offered.length) setChosen((chosen + step + offered.length + (chosen < 0 && step < 0 ? 1 : 0)) % offered.length);
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0 && offered.length) take(chosen);
    else if (event.key === "Enter") {
      setOpen(false);
      send(text, true);
    } else if (event.key === "Escape" && open) setOpen(false);
    else if (event.key === "Escape") field.current?.blur();
    else return;
    event.preventDefault();
  };
  const wrong = error instanceof SourceError && error.status === 400;
  return (
    <div class="filter" role="search">
      <input
        ref={field}
        type="text"
        class={wrong ? "wrong mono" : "mono"}
        placeholder={source.frozen ? "Find runs by a word" : "Filter: lr > 1e-4 and val/f1 > 0.9   ( / )"}
        aria-label="Filter runs"
        aria-invalid={wrong}
        aria-describedby={wrong ? "filter-error" : undefined}
        role="combobox"
        aria-expanded={offered.length > 0}
        aria-controls="filter-offers"
        aria-activedescendant={chosen >= 0 ? `offer-${chosen}` : undefined}
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => typed(event.currentTarget.value)}
        onKeyDown={pressed}
        onFocus={onFocus}
        onBlur={() => setOpen(false)}
      />
      {!source.frozen && (
        <button type="button" class="plain icon" aria-label="How to filter" title="How to filter" onClick={(event) => setHelp(event.currentTarget.getBoundingClientRect())}>
          ?
        </button>
      )}
      {offered.length > 0 && (
        <ul id="filter-offers" class="offers" role="listbox" aria-label="Names">
          {offered.map((one, i) => (
            <li
              key={one.label}
              id={`offer-${i}`}
              role="option"
              aria-selected={i === chosen}
              onPointerDown={(event) => {
                event.preventDefault();
                take(i);
              }}
            >
              <code>{one.label}</code>
              <small class="faint">{one.kind}</small>
            </li>
          ))}
        </ul>
      )}
      {wrong && (
        <p id="filter-error" class="filter-error" role="alert">
          {reason(error.message)}
          {error.at !== null && text && (
            <code>
              {text.slice(0, error.at)}
              <mark>{text.slice(error.at, error.at + 1) || " "}</mark>
              {text.slice(error.at + 1)}
            </code>
          )}
        </p>
      )}
      {help && (
        <Popover anchor={help} width={430} label="How to filter" onClose={() => setHelp(null)}>
          <table class="examples">
            <tbody>
              {EXAMPLES.map(([example, about]) => (
                <tr key={example}>
                  <td>
                    <button
                      type="button"
                      class="plain"
                      onClick={() => {
                        setText(example);
                        send(example, true);
                        setHelp(null);
                      }}
                    >
                      <code>{example}</code>
                    </button>
                  </td>
                  <td class="soft small">{about}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Popover>
      )}
    </div>
  );
}

/** What is wrong, without the search itself, which is shown below it. */
const reason = (message: string): string => message.split("\n", 1)[0]!.replace(/^`query` at column \d+: /, "");
