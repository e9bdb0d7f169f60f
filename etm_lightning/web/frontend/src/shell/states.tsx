import type { ComponentChildren } from "preact";

import { SourceError } from "../api/source";
import type { Asked } from "../asked";

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Failure({ error, again }: { error: Error; again?: () => void }) {
  const [title, text] = told(error);
  return (
    <div class="empty failure" role="alert">
      <h2>{title}</h2>
      <p>{text}</p>
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Bars in the place of what is being loaded; they appear only when it takes a while. */
export function Loading({ lines = 6 }: { lines?: number }) {
  return (
    <div class="loading" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => (
        <i key={i} />
      ))}
    </div>
  );
}

/** What was asked, or how it stands with it. An answer that is here stays on show when a newer one fails. */
export function Shown<T>({ asked, children }: { asked: Asked<T>; children: (value: T) => ComponentChildren }) {
  if (asked.value !== null) return <>{children(asked.value)}</>;
  if (asked.error) return <Failure error={asked.error} again={asked.again} />;
  return <Loading />;
}

/** What went wrong and what helps. */
function told(error: Error): [string, string] {
  if (!(error instanceof SourceError)) return ["That did not work", error.message];
  if (error.offline) return ["The server does not answer", "Is `etm ui` still running?"];
  if (error.status === 401) return ["This address has expired", "Each start of `etm ui` has its own: open the one that it printed."];
  return [error.status === 404 ? "It is not here" : "That did not work", error.message];
}
