/** Whether more of a metric is better. */

import type { Mode } from "../api/types";

const LESS = /(^|[^a-z])(loss|error|err|nll|perplexity|ppl|wer|cer|mae|mse|rmse|eer|fpr|fnr|latency|regret)([^a-z]|$)/i;
const MORE = /(^|[^a-z])(acc|accuracy|f1|f_?beta|precision|recall|auc|auroc|auprc|ap|map|score|bleu|rouge|r2|ndcg|mrr|iou|dice|mcc|hits)([^a-z]|\d|$)/i;

/** What is recorded about a metric, else what its name says; null where that says nothing. */
export function modeOf(name: string, known: string | null | undefined): Mode | null {
  if (known === "min" || known === "max") return known;
  if (LESS.test(name)) return "min";
  return MORE.test(name) ? "max" : null;
}

/** Whether a difference is for the better; null where that is not known, or there is none. */
export function better(difference: number, mode: Mode | null): boolean | null {
  if (!mode || !difference || Number.isNaN(difference)) return null;
  return difference > 0 === (mode === "max");
}
