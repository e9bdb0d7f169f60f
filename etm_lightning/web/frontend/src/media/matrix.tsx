import { useState } from "preact/hooks";

import { whole } from "../numbers/format";

export interface MatrixData {
  labels: string[];
  counts: number[][];
}

/** Below so many classes every cell has its number. */
const NUMBERED = 24;

/** A confusion matrix: true class by row, predicted class by column; the darker, the larger the share of its row. */
export function Matrix({ data }: { data: MatrixData }) {
  const [shares, setShares] = useState(false);
  const { labels, counts } = data;
  const right = counts.reduce((sum, row, i) => sum + (row[i] ?? 0), 0);
  const all = counts.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0);
  return (
    <div class="matrix">
      <div class="scroll">
        <table aria-label="Confusion matrix">
          <thead>
            <tr>
              <th class="corner">true \ predicted</th>
              {labels.map((label) => (
                <th key={label} scope="col" title={label}>
                  <span>{label}</span>
                </th>
              ))}
              <th scope="col">recall</th>
            </tr>
          </thead>
          <tbody>
            {counts.map((row, i) => {
              const total = row.reduce((a, b) => a + b, 0);
              return (
                <tr key={labels[i]}>
                  <th scope="row">{labels[i]}</th>
                  {row.map((n, j) => {
                    const share = total ? n / total : 0;
                    const tone = i === j ? "var(--accent)" : "var(--bad)";
                    return (
                      <td
                        key={j}
                        class={share > 0.55 ? "deep" : ""}
                        style={{ backgroundColor: `color-mix(in oklab, ${tone} ${Math.round(8 * (n > 0 ? 1 : 0) + share * 84)}%, var(--paper))` }}
                        title={`true ${labels[i]}, predicted ${labels[j]}: ${n} of ${total}`}
                      >
                        {labels.length <= NUMBERED && (shares ? share.toFixed(2) : n)}
                      </td>
                    );
                  })}
                  <td class="soft">{total ? ((row[i] ?? 0) / total).toFixed(3) : "–"}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <p class="soft small">
        accuracy {all ? (right / all).toFixed(4) : "–"} of {whole(all)} ·{" "}
        <button type="button" class="plain link" onClick={() => setShares(!shares)}>
          {shares ? "show counts" : "show shares"}
        </button>
      </p>
    </div>
  );
}
