import type { Source } from "../api/source";

export interface ChartsProps {
  source: Source;
  /** The runs whose curves are shown, in this order. */
  keys: string[];
  /** `metrics` leaves out the samples of the machine, `system` shows only them. */
  only?: "metrics" | "system";
}

/** A workspace of charts: every metric of some runs. Its view lives in the address. */
export function Charts({ keys }: ChartsProps) {
  return <p class="empty">Charts of {keys.length} runs.</p>;
}
