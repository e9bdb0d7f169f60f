import { expect, test } from "vitest";

import type { CompareMetric, Row } from "../api/types";
import { kindOf } from "./diff";
import { better, modeOf } from "./modes";
import { seedGroups, seedLine } from "./seeds";

test("what is recorded says which way is better, else the name, else nothing", () => {
  expect(modeOf("val/loss", "max")).toBe("max");
  expect(["val/loss", "wer", "test/f1", "val/accuracy", "lr", "flossy", "map50"].map((name) => modeOf(name, ""))).toEqual(
    ["min", "min", "max", "max", null, null, "max"],
  );
  expect([better(0.1, "max"), better(0.1, "min"), better(0, "min"), better(1, null)]).toEqual([true, false, null, null]);
});

const rows = ["a", "b", "c", "d"].map((key, k) => ({ key, id: key, name: key, params: { lr: k < 2 ? 1 : 2 }, replicates: k < 2 ? "one" : "two" }) as unknown as Row);

test("seeds of one setting are together, the baseline's first, with the server's interval of their difference", () => {
  const groups = seedGroups(rows, "c");
  expect(groups.map((group) => group.keys)).toEqual([["c", "d"], ["a", "b"]]);
  const metric: CompareMetric = {
    name: "f1", mode: "max", values: [1, 3, 4, "nan"],
    groups: [{ label: "lr=2", n: 1, mean: 4, sd: null }, { label: "lr=1", n: 2, mean: 2, sd: 1.5 }],
    delta: [null, { mean: -2, ci: [-3, -1], p: 0.03, test: "welch" }],
  }; // prettier-ignore
  const { cells } = seedLine(metric, groups);
  expect(cells[0]).toMatchObject({ n: 1, mean: 4, delta: null, ci: null });
  expect(cells[1]).toMatchObject({ n: 2, mean: 2, sd: 1.5, delta: -2, ci: [-3, -1], p: 0.03, test: "welch" });
  expect(seedLine({ ...metric, groups: [], delta: [] }, groups).cells[0]).toMatchObject({ n: 0, mean: NaN, delta: null });
});

test("runs that have no replicates make no groups", () => {
  expect(seedGroups(rows.filter((row) => row.key === "a" || row.key === "c"), "a")).toEqual([]);
});

test("lines of a diff by what they do", () => {
  expect(["diff --git a b", "--- a/x", "+++ b/x", "@@ -1 +1 @@", "-old", "+new", " same"].map(kindOf)).toEqual(
    ["diff-head", "diff-head", "diff-head", "diff-place", "diff-less", "diff-more", ""],
  );
});
