import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Choice } from "../theme";

export const ThemeContext = createContext<{ choice: Choice; choose: (choice: Choice) => void }>({
  choice: "system",
  choose: () => undefined,
});

const NEXT: Record<Choice, Choice> = { system: "light", light: "dark", dark: "system" };
const SIGN: Record<Choice, string> = { system: "◐", light: "☀", dark: "☾" };
const SAID: Record<Choice, string> = { system: "as the system", light: "light", dark: "dark" };

export function ThemeButton() {
  const { choice, choose } = useContext(ThemeContext);
  return (
    <button
      type="button"
      class="plain icon"
      onClick={() => choose(NEXT[choice])}
      title={`Colours: ${SAID[choice]}. Press for ${SAID[NEXT[choice]]}`}
      aria-label={`Colours: ${SAID[choice]}`}
    >
      {SIGN[choice]}
    </button>
  );
}
