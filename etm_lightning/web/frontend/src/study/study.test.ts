import { describe, expect, test } from "vitest";

import type { Row, Study, Trial } from "../api/types";
import { nudged, readBrushes, within, writeBrushes } from "./brush";
import { at, column, columnsOf, kindOf, marksOf, place, valueOf } from "./columns";
import { influences } from "./importance";
import { goodness } from "./shades";
import { sorted } from "./trials";

const trial = (number: number, params: Trial["params"], value: Trial["value"], more: Partial<Trial> = {}): Trial => ({ number, key: `k${number}`, status: "finished", params, value, ...more });
const study: Study = {
  group: "g",
  objective: { name: "val/f1", direction: "maximize" },
  params: ["lr", "model"],
  trials: [trial(0, { lr: 1e-4, model: "a" }, 0.5), trial(1, { lr: 1e-2, model: "b" }, 0.9), trial(2, { lr: 1e-3, model: "a" }, "nan", { status: "failed" })],
  best: "k1",
  importance: null,
  why: "",
};

describe("columns", () => {
  test("settings come first, then objectives with their direction, then other metrics of the runs", () => {
    const rows = [{ key: "k1", metrics: { "val/f1": 0.9, latency: 7 } } as unknown as Row];
    const columns = columnsOf(study, rows);
    expect(columns.map((one) => [one.name, one.role, one.direction])).toEqual([
      ["lr", "param", null], ["model", "param", null], ["val/f1", "result", "max"], ["latency", "result", null],
    ]); // prettier-ignore
    expect(columns[3]!.values).toEqual([null, 7, null]);
    expect(columns[2]!.values).toEqual([0.5, 0.9, null]);
  });
  test("wide positive numbers and powers of two get a log axis, words their own places", () => {
    const [lr, model] = columnsOf(study, []);
    expect(lr!.log).toBe(true);
    expect(place(lr!, 1e-3)).toBeCloseTo(0.5, 12);
    expect(at(lr!, 0.5)).toBeCloseTo(1e-3, 12);
    expect([place(model!, "a"), place(model!, "b"), place(model!, null)]).toEqual([0, 1, null]);
    expect(column("n", "param", null, [8, 16, 64]).log).toBe(true);
    expect(column("n", "param", null, [8, 12, 64]).log).toBe(false);
    expect(marksOf(column("n", "param", null, [8, 16, 64])).map((mark) => mark.text)).toEqual(["8", "16", "64"]);
  });
  test("several objectives are told apart", () => {
    const two = trial(0, {}, null, { values: [0.9, 12] });
    expect([valueOf(two), valueOf(two, 1)]).toEqual([0.9, 12]);
    expect(valueOf(trial(1, {}, 3), 1)).toBeNaN();
  });
});

describe("choosing trials", () => {
  const columns = columnsOf(study, []);
  test("a trial must lie within every stretch, and one without a value does not", () => {
    expect(within(columns, { lr: [0, 0.6] }, 3)).toEqual([true, false, true]);
    expect(within(columns, { lr: [0, 0.6], "val/f1": [0, 1] }, 3)).toEqual([true, false, false]);
    expect(within(columns, {}, 3)).toEqual([true, true, true]);
  });
  test("a stretch stays on its axis when keys move it", () => {
    expect(nudged([0.5, 0.75], 0.5, false)).toEqual([0.75, 1]);
    expect(nudged([0.25, 0.5], -0.5, false)).toEqual([0, 0.25]);
    expect(nudged([0.25, 0.5], 0.25, true)).toEqual([0, 0.75]);
  });
  test("stretches go into the address and back", () => {
    const brushes = { "model.lr": [0.25, 0.5] as const, "a:b;c": [0, 1] as const };
    expect(readBrushes(writeBrushes(brushes))).toEqual(brushes);
    expect(readBrushes("lr:0.9~0.1;nonsense")).toEqual({});
  });
});

test("influence is Spearman's correlation, of categories the correlation ratio", () => {
  const lr = column("lr", "param", null, [1, 2, 3, 4]);
  const model = column("model", "param", null, ["a", "a", "b", "b"]);
  const same = column("same", "param", null, [1, 1, 1, 1]);
  const result = column("f1", "result", "max", [4, 3, 2, 1]);
  const found = influences([model, lr, same], result);
  expect(found.map((one) => one.name)).toEqual(["lr", "model"]);
  expect(found[0]!.value).toBeCloseTo(-1, 12);
  // means 3.5 and 1.5 around 2.5: between 4 of 5
  expect(found[1]!.value).toBeCloseTo(Math.sqrt(0.8), 12);
});

test("the best is strongest, also where less is better", () => {
  const loss = column("loss", "result", "min", [1, 3, 2, null]);
  expect([0, 1, 2, 3].map((i) => goodness(loss, i))).toEqual([1, 0, 0.5, null]);
});

test("a pruned trial is not running", () => {
  expect(["pruned", "running", "finished", "failed", "crashed"].map((status) => kindOf(trial(0, {}, 1, { status })))).toEqual(
    ["pruned", "running", "done", "failed", "failed"],
  );
});

test("trials without a value come last, whichever way the table is sorted", () => {
  const columns = columnsOf(study, []);
  expect(sorted(study.trials, columns, { name: "val/f1", down: true })).toEqual([1, 0, 2]);
  expect(sorted(study.trials, columns, { name: "val/f1", down: false })).toEqual([0, 1, 2]);
  expect(sorted(study.trials, columns, { name: "number", down: true })).toEqual([2, 1, 0]);
});
