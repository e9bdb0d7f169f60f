/** What a person chose; `system` follows the machine. */
export type Choice = "system" | "light" | "dark";
export type Theme = "light" | "dark";

const KEY = "etm-theme";

export function readChoice(): Choice {
  const kept = stored(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

/** Applies a choice to the page and keeps it. */
export function applyChoice(choice: Choice): void {
  if (choice === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset["theme"] = choice;
  store(KEY, choice === "system" ? null : choice);
}

export function themeOf(choice: Choice): Theme {
  if (choice !== "system") return choice;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Local storage that may be forbidden or full: then nothing is kept. */
export function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function store(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // private windows and exported pages from disk may have no storage
  }
}
