/** How much each setting matters, as bars. */

import type { Study } from "../api/types";
import { number } from "../numbers/format";
import type { Column } from "./columns";
import { influences } from "./importance";
import { objectivesOf } from "./columns";

interface Props {
  study: Study;
  params: readonly Column[];
  result: Column | null;
}

export function Importance({ study, params, result }: Props) {
  const found = result ? influences(params, result) : [];
  const told = result?.name === objectivesOf(study)[0]?.name ? study.importance : null;
  const most = Math.max(1e-12, ...(told ?? []).map((one) => one.value));
  const signs = new Map(found.map((one) => [one.name, one]));
  const names = told ? [...told].sort((a, b) => b.value - a.value).map((one) => one.name) : found.map((one) => one.name);
  const share = new Map(told?.map((one) => [one.name, one.value]));
  return (
    <section class="study-card">
      <h2>Importance</h2>
      {names.length === 0 && <p class="faint">{study.why || "At least three finished trials with different settings are needed."}</p>}
      {names.length > 0 && (
        <table class="importance">
          <thead>
            <tr>
              <th scope="col">Setting</th>
              {told && (
                <th scope="col" title="fANOVA or the like: the share of the variation that goes back to the setting">
                  Importance
                </th>
              )}
              <th scope="col" title="Spearman's rank correlation with the result; of categories the correlation ratio, which has no sign">
                Correlation
              </th>
            </tr>
          </thead>
          <tbody>
            {names.slice(0, 20).map((name) => {
              const sign = signs.get(name);
              return (
                <tr key={name}>
                  <th scope="row" class="ellipsis" title={name}>
                    {name}
                  </th>
                  {told && (
                    <td>
                      <Bar share={share.get(name)! / most} text={number(share.get(name)!, 2)} kind="" />
                    </td>
                  )}
                  <td>{sign && <Bar share={Math.abs(sign.value)} text={sign.signed ? signed(sign.value) : number(sign.value, 2)} kind={sign.signed ? (sign.value < 0 ? "minus" : "plus") : "none"} />}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      {told && study.why && <p class="faint small">{study.why}</p>}
    </section>
  );
}

const signed = (value: number): string => (value > 0 ? `+${number(value, 2)}` : number(value, 2));

function Bar({ share, text, kind }: { share: number; text: string; kind: string }) {
  return (
    <span class={`bar ${kind}`}>
      <i style={{ width: `${Math.min(1, share) * 100}%` }} />
      <span class="num">{text}</span>
    </span>
  );
}
