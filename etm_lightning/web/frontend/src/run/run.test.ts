import { describe, expect, it } from "vitest";

import type { Media } from "../api/types";
import { fits } from "./config";
import { clean } from "./logs";
import { collect } from "./media";

describe("logs", () => {
  it("lose colours, and of a progress bar all but its last state", () => {
    expect(clean("\u001b[31mred\u001b[0m\n")).toBe("red\n");
    expect(clean("a\n10%\r50%\r100%\nb\r\nc")).toBe("a\n100%\nb\nc");
    expect(clean("10%\r50%\r")).toBe("50%");
  });
});

describe("a filter of settings", () => {
  it("finds names and values at any depth", () => {
    const config = { model: { encoder: "bert", layers: [1, 2] } };
    expect(["encod", "bert", "2", "model"].map((text) => fits("", config, text))).toEqual([true, true, true, true]);
    expect(fits("", config, "gpt")).toBe(false);
  });
});

it("media are gathered by name and stage", () => {
  const one = (name: string, stage: string): Media => ({ name, stage }) as Media;
  expect(collect([one("a", "train"), one("b", "train"), one("a", "train"), one("a", "test")]).map((all) => all.items.length)).toEqual([2, 1, 1]);
});
