import { expect, it } from "vitest";

import { columnsOf } from "../api/embedded";
import type { Columns, Row } from "../api/types";
import { usual } from "./columns";
import { items } from "./items";

it("the usual columns are the settings that differ and the metrics that decide", () => {
  const columns: Columns = {
    params: [
      { name: "lr", count: 3, numeric: true, values: [1, 2] },
      { name: "seed", count: 3, numeric: true, values: [1, 2] },
      { name: "epochs", count: 3, numeric: true, values: [3] },
    ],
    metrics: ["train/loss", "val/f1", "val/loss"].map((name) => ({ name, count: 3, min: 0, max: 1 })),
  };
  const rows = [{ monitor: { name: "val/loss", mode: "min" } } as Row];
  const ids = usual(columns, rows, 1);
  expect(ids.filter((id) => id.startsWith("metric."))).toEqual(["metric.val/loss", "metric.val/f1"]);
  expect(ids.filter((id) => id.startsWith("param."))).toEqual(["param.lr"]);
  expect(ids).not.toContain("project");
});

it("settings that are empty or the same everywhere have no column", () => {
  const row = (lr: number) => ({ params: { lr, tags: [], vars: {}, notes: "", none: null, layers: [2, 2] }, metrics: {} }) as unknown as Row;
  const rows = [row(1), row(2), row(3)];
  expect(usual(columnsOf(rows), rows, 1).filter((id) => id.startsWith("param."))).toEqual(["param.lr"]);
});

it("a fold of one run is that run, an open one is followed by its runs", () => {
  const row = (key: string): Row => ({ key }) as Row;
  const folds = [
    { id: "f", label: "f", rows: [row("a"), row("b")] },
    { id: "g", label: "g", rows: [row("c")] },
  ];
  expect(items(folds, new Set()).map((one) => one.id)).toEqual(["f", "c"]);
  expect(items(folds, new Set(["f"])).map((one) => one.id)).toEqual(["f", "a", "b", "c"]);
});
