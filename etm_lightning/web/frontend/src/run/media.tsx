import { useMemo, useState } from "preact/hooks";

import type { Media, RunDetail, TextRecord } from "../api/types";
import { Markdown } from "../markdown";
import { Exhibit } from "../media/exhibit";
import { StepSlider } from "../media/slider";
import { useParam } from "../router";

interface Collection<T> {
  id: string;
  name: string;
  stage: string;
  items: T[];
}

/** What was shown, by name; one slider can move all of them through the training. */
export function MediaTab({ run }: { run: RunDetail }) {
  const [find, setFind] = useParam("find");
  const [at, setAt] = useParam("at");
  const [together, setTogether] = useState(true);
  const media = useMemo(() => collect(run.media), [run.media]);
  const texts = useMemo(() => collect(run.texts), [run.texts]);
  const fits = (one: { name: string }): boolean => one.name.toLowerCase().includes(find.toLowerCase());
  const step = at === "" ? null : Number(at);
  const move = (next: number): void => setAt(String(next));
  const linked = together ? { step, move } : null;
  return (
    <div class="media">
      <div class="tools-line">
        <input type="search" placeholder="Find by name" aria-label="Find media" value={find} onInput={(event) => setFind(event.currentTarget.value)} />
        <label>
          <input type="checkbox" checked={together} onChange={(event) => setTogether(event.currentTarget.checked)} /> Steps move together
        </label>
        {at !== "" && (
          <button type="button" class="plain" onClick={() => setAt("")}>
            To the latest
          </button>
        )}
      </div>
      <div class="cards">
        {media.filter(fits).map((one) => (
          <Card key={one.id} collection={one} linked={linked}>
            {(items) => <Exhibit run={run.row.key} items={items} />}
          </Card>
        ))}
        {texts.filter(fits).map((one) => (
          <Card key={`text ${one.id}`} collection={one} linked={linked}>
            {(items) => items.map((item, i) => <Markdown key={i} text={item.text} />)}
          </Card>
        ))}
      </div>
    </div>
  );
}

interface CardProps<T> {
  collection: Collection<T>;
  linked: { step: number | null; move: (step: number) => void } | null;
  children: (items: T[]) => preact.ComponentChildren;
}

const WIDE = new Set(["table", "html", "graph", "plotly"]);

function Card<T extends Media | TextRecord>({ collection, linked, children }: CardProps<T>) {
  const [own, setOwn] = useState<number | null>(null);
  const steps = useMemo(() => [...new Set(collection.items.map((one) => one.step ?? 0))].sort((a, b) => a - b), [collection]);
  const wanted = linked ? linked.step : own;
  const last = steps[steps.length - 1] as number;
  const step = wanted === null ? last : (steps.filter((one) => one <= wanted).pop() ?? (steps[0] as number));
  const here = collection.items.filter((one) => (one.step ?? 0) === step);
  const first = here[0];
  const wide = first !== undefined && "type" in first && WIDE.has(first.type);
  return (
    <figure class={wide ? "card wide" : "card"} aria-label={collection.name}>
      <figcaption>
        <b class="ellipsis" title={collection.name}>
          {collection.name}
        </b>
        {collection.stage && <small class="faint">{collection.stage}</small>}
        <span class="spring" />
        <small class="soft">step {step}</small>
      </figcaption>
      {steps.length > 1 && <StepSlider steps={steps} step={step} label={`Step of ${collection.name}`} onStep={linked ? linked.move : setOwn} />}
      <div class="card-body">{children(here)}</div>
    </figure>
  );
}

/** By name and stage, in the order in which they first came; a picture logged twice at a step stays one. */
export function collect<T extends Media | TextRecord>(items: T[]): Collection<T>[] {
  const found = new Map<string, Collection<T>>();
  for (const item of items) {
    const id = `${item.name}\n${item.stage}`;
    const known = found.get(id);
    if (known) known.items.push(item);
    else found.set(id, { id, name: item.name, stage: item.stage, items: [item] });
  }
  return [...found.values()];
}
