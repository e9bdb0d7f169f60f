import type { Status } from "../api/types";

const SIGN: Record<string, string> = {
  running: "running",
  finished: "good",
  complete: "good",
  failed: "bad",
  crashed: "bad",
  interrupted: "held",
  preempted: "held",
  pruned: "cut",
};

/** A sign that differs in shape as well as in colour. */
export function StatusSign({ status }: { status: Status | string }) {
  const kind = SIGN[status] ?? "held";
  return (
    <svg class={`sign ${kind}`} width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
      {kind === "running" && <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="16 9" />}
      {kind === "good" && <path d="M2 6.5l2.7 2.8L10 3.5" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" />}
      {kind === "bad" && <path d="M3 3l6 6M9 3l-6 6" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" />}
      {kind === "held" && <path d="M4 3v6M8 3v6" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" />}
      {kind === "cut" && <path d="M2.5 6h7" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" />}
    </svg>
  );
}

export function StatusWord({ status }: { status: Status | string }) {
  return (
    <span class="status">
      <StatusSign status={status} /> {status}
    </span>
  );
}
