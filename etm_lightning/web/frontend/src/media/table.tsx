import { useState } from "preact/hooks";

import { useApp } from "../app";
import { useAsked } from "../asked";
import { whole } from "../numbers/format";
import { Shown } from "../shell/states";
import { many, shown } from "../words";

const PAGE = 50;

/** A logged table, some rows at a time. */
export function PagedTable({ run, id }: { run: string; id: string }) {
  const { source } = useApp();
  const [offset, setOffset] = useState(0);
  const asked = useAsked(() => source.table(run, id, offset, PAGE), [source, run, id, offset], true);
  return (
    <Shown asked={asked}>
      {(page) => (
        <>
          <div class="scroll tall">
            <table class="values">
              <thead>
                <tr>
                  {page.columns.map((name, i) => (
                    <th key={i} class={page.rows.every((row) => typeof row[i] === "number") ? "num" : ""}>
                      {name}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {page.rows.map((row, n) => (
                  <tr key={n}>
                    {row.map((value, i) => (
                      <td key={i} class={typeof value === "number" ? "num" : ""}>
                        {shown(value)}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <div class="pager">
            <span class="soft small">
              {page.total > PAGE ? `${offset + 1} to ${offset + page.rows.length} of ${whole(page.total)}` : many(page.total, "row")}
            </span>
            {page.total > PAGE && (
              <>
                <button type="button" disabled={offset === 0} onClick={() => setOffset(Math.max(0, offset - PAGE))}>
                  Back
                </button>
                <button type="button" disabled={offset + PAGE >= page.total} onClick={() => setOffset(offset + PAGE)}>
                  On
                </button>
              </>
            )}
          </div>
        </>
      )}
    </Shown>
  );
}
