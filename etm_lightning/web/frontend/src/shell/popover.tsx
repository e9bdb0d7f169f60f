import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props {
  /** Where it belongs: it opens below this, or above where there is no room. */
  anchor: DOMRect;
  label: string;
  width?: number;
  onClose: () => void;
  children: ComponentChildren;
}

/** A small window over the page: takes the focus, gives it back, and closes by Escape or a press beside it. */
export function Popover({ anchor, label, width = 320, onClose, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ left: anchor.left, top: anchor.bottom + 4 });
  const close = useRef(onClose);
  close.current = onClose;

  useLayoutEffect(() => {
    const height = box.current?.offsetHeight ?? 0;
    const left = Math.max(8, Math.min(anchor.left, innerWidth - width - 8));
    const below = anchor.bottom + 4;
    setPlace({ left, top: below + height > innerHeight - 8 ? Math.max(8, anchor.top - height - 4) : below });
  }, [anchor, width]);

  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const first = box.current?.querySelector<HTMLElement>("[data-first]") ?? box.current?.querySelector<HTMLElement>("input, button");
    first?.focus();
    const pressed = (event: PointerEvent): void => {
      if (!box.current?.contains(event.target as Node)) close.current();
    };
    addEventListener("pointerdown", pressed, true);
    return () => {
      removeEventListener("pointerdown", pressed, true);
      if (box.current?.contains(document.activeElement) || document.activeElement === document.body) before?.focus();
    };
  }, []);

  return (
    <div
      ref={box}
      class="popover"
      role="dialog"
      aria-label={label}
      style={{ left: `${place.left}px`, top: `${place.top}px`, width: `${width}px` }}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Escape") onClose();
        if (event.key === "Tab") keepInside(event, box.current);
      }}
    >
      {children}
    </div>
  );
}

function keepInside(event: KeyboardEvent, box: HTMLElement | null): void {
  const all = [...(box?.querySelectorAll<HTMLElement>("a[href], button:not(:disabled), input, textarea, select") ?? [])];
  const [first, last] = [all[0], all[all.length - 1]];
  if (event.shiftKey && document.activeElement === first) last?.focus();
  else if (!event.shiftKey && document.activeElement === last) first?.focus();
  else return;
  event.preventDefault();
}
