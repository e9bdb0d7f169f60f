import { render } from "preact";

import { keepLinksInside, replaceAddress } from "./address";
import { embedded, EmbeddedSource } from "./api/embedded";
import { HttpSource } from "./api/http";
import type { Source } from "./api/source";
import { PAGES } from "./pages";
import { pageOf, readRoute } from "./router";
import { Root } from "./shell/root";
import { Failure } from "./shell/states";
import { applyChoice, readChoice } from "./theme";
import "./style/index.css";

const place = document.getElementById("app") as HTMLElement;
let hear: (alive: boolean) => void = () => undefined;
const onAlive = (ear: (alive: boolean) => void): void => {
  hear = ear;
};

function open(): Source {
  const data = embedded();
  if (!data) return new HttpSource("api", (alive) => hear(alive));
  if (!location.hash && data.view) replaceAddress(data.view);
  if (data.title) document.title = data.title;
  return new EmbeddedSource(data);
}

/** Milliseconds in which what the page shows first mostly comes: then it is drawn once, and not first without it. */
const SOON = 300;

async function start(): Promise<void> {
  const source = open();
  const route = readRoute(location.hash);
  const asked = pageOf(PAGES, route)?.page.ahead?.(source, route.query);
  applyChoice(readChoice());
  keepLinksInside();
  try {
    const session = await source.session();
    if (asked) await Promise.race([asked.catch(() => undefined), new Promise((late) => setTimeout(late, SOON))]);
    render(<Root source={source} session={session} pages={PAGES} onAlive={onAlive} />, place);
  } catch (error) {
    render(<Failure error={error as Error} again={() => location.reload()} />, place);
  }
}

void start();
