import { expect, it } from "vitest";

import { suggestions } from "./suggest";

const columns = { params: [{ name: "model.lr", count: 1, numeric: true }], metrics: [{ name: "val/f1", count: 1, min: 0, max: 1 }] };
const labels = (text: string): string[] => suggestions(text, text.length, columns).map((one) => one.label);

it("a word goes on with names that hold it, those that begin with it first", () => {
  expect(labels("val/f1 > 0.9 and mod")).toEqual(["model.lr"]);
  expect(labels("sta")).toEqual(["status"]);
  expect(labels("na")).toEqual(["name"]);
});

it("nothing is offered inside quotation marks, for numbers and for one letter", () => {
  expect(labels('"val')).toEqual([]);
  expect(labels("12")).toEqual([]);
  expect(labels("v")).toEqual([]);
});

it("the rest of the search stays", () => {
  expect(suggestions("va > 1", 2, columns)[0]).toMatchObject({ text: "val/f1 > 1", caret: 6 });
});
