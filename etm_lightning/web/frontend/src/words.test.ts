import { describe, expect, it } from "vitest";

import type { Row } from "./api/types";
import { ago, bytes, inOrder, many, sharedStart, shortly, shown, spread } from "./words";

describe("words", () => {
  it("show nothing as a dash and odd numbers as such", () => {
    expect([null, undefined, "", "nan", "-inf", false, 0].map(shown)).toEqual(["–", "–", "–", "NaN", "−∞", "false", "0"]);
  });

  it("leave what names share at their beginning, in whole words", () => {
    expect(sharedStart(["bert-base lr=0.0001 seed=1", "bert-base lr=0.0001 seed=12"])).toBe("bert-base lr=0.0001 ");
    expect(sharedStart(["bert-base lr=0.0001", "bert-base lr=0.0002"])).toBe("bert-base ");
    expect([["a 1", "a 2"], ["alone with a name"], []].map(sharedStart)).toEqual(["", "", ""]);
  });

  it("tell runs without a name apart by what follows the time in their ids", () => {
    const ids = ["20261129-204424-bbc_lr=0.0003-04ba", "20261129-204424-", "run-7"];
    expect(ids.map((id) => shortly({ id, name: "" } as Row))).toEqual(["bbc_lr=0.0003-04ba", "20261129-204424-", "run-7"]);
    expect(shortly({ id: ids[0], name: "20261129-204424-mine" } as Row)).toBe("20261129-204424-mine");
  });

  it("give the spread two digits and the mean as many decimals", () => {
    expect(spread(0.95312, 0.00431)).toBe("0.9531 ± 0.0043");
    expect(spread(-12.345, 1.2)).toBe("−12.3 ± 1.2");
    expect(spread(0.5, null)).toBe("0.5");
    expect(spread(0.5, 0)).toBe("0.5 ± 0");
  });

  it("say how long ago in the largest unit", () => {
    expect([3, 50, 61, 7300, 86400 * 40].map((seconds) => ago(1000, 1000 + seconds))).toEqual([
      "just now",
      "50 s ago",
      "1 min ago",
      "2 h ago",
      "1 mo ago",
    ]);
  });

  it("give bytes units of a thousand", () => {
    expect([999, 1000, 1_234_567, null].map(bytes)).toEqual(["999 B", "1.00 kB", "1.23 MB", "–"]);
  });
});

it("numbers in names count, and so do their letters in either case", () => {
  expect(["b", "a10", "A2", "a", "a2x", "val/loss_10", "val/loss_9"].sort(inOrder)).toEqual(["a", "A2", "a2x", "a10", "b", "val/loss_9", "val/loss_10"]);
});

it("large counts have commas", () => {
  expect([many(1, "run"), many(999, "run"), many(1234567, "run")]).toEqual(["1 run", "999 runs", "1,234,567 runs"]);
});
