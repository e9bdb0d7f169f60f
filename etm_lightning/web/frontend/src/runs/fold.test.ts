import { describe, expect, it } from "vitest";

import type { Row } from "../api/types";
import { common, fold, once, sortFolds, stats, unseeded } from "./fold";

let made = 0;
const row = (some: Partial<Row>): Row =>
  ({ key: `k${made++}`, store: "0", project: "p", name: "", id: "i", group: "", replicates: "", seed: null, created: made, params: {}, metrics: {}, ...some }) as Row;

describe("folds", () => {
  it("have the mean and the sample deviation over seeds", () => {
    const rows = [0.9, 0.92, 0.97].map((value, seed) => row({ replicates: "r", seed, metrics: { f1: value } }));
    const found = stats(rows, "f1");
    expect(found?.mean).toBeCloseTo(0.93, 12);
    expect(found?.sd).toBeCloseTo(0.0360555127546, 10); // numpy.std([.9, .92, .97], ddof=1)
  });

  it("count a seed once, with its newest run", () => {
    const rows = [row({ replicates: "r", seed: 1, metrics: { f1: 0.1 } }), row({ replicates: "r", seed: 1, metrics: { f1: 0.5 } })];
    expect(once(rows)).toEqual([rows[1]]);
    expect(stats(rows, "f1")).toEqual({ n: 1, mean: 0.5, sd: null });
  });

  it("leave out what is not a number", () => {
    expect(stats([row({ metrics: { f1: "nan" } }), row({ metrics: { f1: 1 } })], "f1")?.n).toBe(1);
    expect(stats([row({})], "f1")).toBeNull();
  });

  it("keep runs of different projects, and those without settings, apart", () => {
    const rows = [row({ replicates: "r" }), row({ replicates: "r", project: "q" }), row({}), row({})];
    expect(fold(rows, "settings").map((one) => one.rows.length)).toEqual([1, 1, 1, 1]);
    expect(fold([row({ group: "g" }), row({ group: "g" })], "group")[0]?.label).toBe("g");
  });

  it("are named without their seed", () => {
    expect(["bert lr=3e-05 seed=1", "seed=7", "a-seed_3b", "seedling"].map(unseeded)).toEqual(["bert lr=3e-05", "seed=7", "a-seed_3b", "seedling"]);
  });

  it("sort by their mean, those without a value last", () => {
    const folds = fold([row({ metrics: { f1: 1 } }), row({}), row({ metrics: { f1: 3 } })], "settings");
    const means = (sort: string): unknown[] => sortFolds(folds, sort).map((one) => one.rows[0]?.metrics["f1"]);
    expect(means("-metric.f1")).toEqual([3, 1, undefined]);
    expect(means("metric.f1")).toEqual([1, 3, undefined]);
  });

  it("show what all their runs share", () => {
    expect(common([row({ params: { a: [1] } }), row({ params: { a: [1] } })], (one) => one.params["a"])).toEqual([1]);
    expect(common([row({ seed: 1 }), row({ seed: 2 })], (one) => one.seed)).toBeUndefined();
  });
});
