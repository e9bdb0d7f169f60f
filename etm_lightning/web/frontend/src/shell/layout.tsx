import type { ComponentChildren } from "preact";

import { useApp } from "../app";
import { href, useRoute } from "../router";
import type { Page } from "../router";
import { ThemeButton } from "./theme_button";
import { ViewsButton } from "./views";

interface Props {
  pages: Page[];
  children: ComponentChildren;
}

export function Layout({ pages, children }: Props) {
  const { source, session, alive } = useApp();
  const route = useRoute();
  const section = route.path.split("/")[1] || "runs";
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={href("/runs")} aria-label="ETM, all runs">
          <Mark />
          <span>etm</span>
        </a>
        <nav aria-label="Pages">
          {pages
            .filter((page) => page.nav)
            .map((page) => (
              <a
                key={page.pattern}
                href={href(page.pattern)}
                aria-current={related(section) === page.pattern.split("/")[1] ? "page" : undefined}
              >
                {page.title}
              </a>
            ))}
        </nav>
        <span class="spring" />
        {source.frozen && <span class="chip">exported page</span>}
        {!source.frozen && session.readonly && <span class="chip">read-only</span>}
        {!source.frozen && (
          <span class={alive ? "pulse" : "pulse gone"} role="status" title={alive ? "Connected: changes come in by themselves" : "No connection"}>
            <i aria-hidden="true" /> {alive ? "live" : "offline"}
          </span>
        )}
        {!source.frozen && <ViewsButton />}
        <ThemeButton />
      </header>
      {!alive && (
        <p class="banner" role="alert">
          The server is gone: showing what was loaded. Start <code>etm ui</code> again; this page goes on by itself.
        </p>
      )}
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

const related = (section: string): string => (["run", "charts", "compare"].includes(section) ? "runs" : section === "group" ? "groups" : section);

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Mark() {
  return (
    <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <path d="M2 16.5c3.5 0 4-9 7-9s2.5 5 5 5 2.5-7 4-9" fill="none" stroke="var(--accent)" stroke-width="2.2" stroke-linecap="round" />
      <circle cx="9" cy="7.5" r="2" fill="var(--accent)" />
    </svg>
  );
}
