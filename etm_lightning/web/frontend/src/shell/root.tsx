import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { AppContext, Live, type App } from "../app";
import type { Source } from "../api/source";
import type { Session } from "../api/types";
import { Colours } from "../colours";
import { pageOf, useRoute, type Page } from "../router";
import { applyChoice, readChoice, themeOf, type Choice, type Theme } from "../theme";
import { Layout } from "./layout";
import { Empty } from "./states";
import { ThemeContext } from "./theme_button";
import { Toasts, type Toast } from "./toasts";

interface Props {
  source: Source;
  session: Session;
  pages: Page[];
  /** Registers who is told whether the server answers. */
  onAlive: (hear: (alive: boolean) => void) => void;
}

export function Root({ source, session, pages, onAlive }: Props) {
  const [alive, setAlive] = useState(true);
  const [choice, setChoice] = useState<Choice>(readChoice);
  const choose = (next: Choice): void => {
    applyChoice(next); // before anything is drawn: an effect would leave a frame, or more, in the old colours
    setChoice(next);
  };
  const theme = useTheme(choice);
  const [toasts, say] = useToasts();
  const colours = useMemo(() => new Colours(), []);
  const live = useMemo(() => new Live(), []);
  useEffect(() => onAlive(setAlive), [onAlive]);
  useEffect(() => source.events(null, (what) => live.tell(what)), [source, live]);
  const readonly = session.readonly || source.frozen;
  const app: App = { source, session, theme, colours, alive, readonly, say, live };
  return (
    <AppContext.Provider value={app}>
      <ThemeContext.Provider value={{ choice, choose }}>
        <Layout pages={pages}>
          <Shown pages={pages} />
        </Layout>
        <Toasts toasts={toasts} />
      </ThemeContext.Provider>
    </AppContext.Provider>
  );
}

function Shown({ pages }: { pages: Page[] }) {
  const found = pageOf(pages, useRoute());
  if (!found) return <Empty title="There is no such page">Go to the runs by the link above.</Empty>;
  return <found.page.view key={found.page.pattern} parts={found.parts} />;
}

function useTheme(choice: Choice): Theme {
  const [theme, setTheme] = useState<Theme>(() => themeOf(choice));
  useEffect(() => {
    const changed = (): void => setTheme(themeOf(choice));
    changed();
    const media = matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, [choice]);
  return theme;
}

function useToasts(): [Toast[], App["say"]] {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const last = useRef(0);
  const say = useMemo(
    () =>
      (text: string, kind: "good" | "bad" = "good"): void => {
        const id = ++last.current;
        setToasts((all) => [...all.slice(-3), { id, text, kind }]);
        setTimeout(() => setToasts((all) => all.filter((one) => one.id !== id)), kind === "bad" ? 9000 : 4000);
      },
    [],
  );
  return [toasts, say];
}
