import { describe, expect, it } from "vitest";

import { columnsOf, EmbeddedSource, sortRows, unpack, type Embedded } from "./embedded";
import { readFrame } from "./frame";
import { query } from "./http";
import { thin } from "./thin";
import type { Row, RunDetail, SeriesHead, SeriesQuery } from "./types";

const base64 = (numbers: Float32Array | Float64Array | Int32Array): string => btoa(String.fromCharCode(...new Uint8Array(numbers.buffer)));

describe("an answer of series", () => {
  it("has its header and then x and y of each", () => {
    const head = { run: "a", name: "loss", n: 2 } as SeriesHead;
    const text = JSON.stringify({ series: [head] });
    const padded = new TextEncoder().encode(text + " ".repeat((8 - ((8 + text.length) % 8)) % 8));
    const bytes = new Uint8Array(8 + padded.length + 32);
    bytes.set(new TextEncoder().encode("ETM1"));
    new DataView(bytes.buffer).setUint32(4, padded.length, true);
    bytes.set(padded, 8);
    bytes.set(new Uint8Array(Float64Array.of(1, 2, 0.5, NaN).buffer), 8 + padded.length);
    const [series] = readFrame(bytes.buffer);
    expect(series?.name).toBe("loss");
    expect([...(series?.x ?? [])]).toEqual([1, 2]);
    expect([...(series?.y ?? [])]).toEqual([0.5, NaN]);
  });

  it("is refused if it is something else", () => {
    expect(() => readFrame(new TextEncoder().encode("<html></html>").buffer as ArrayBuffer)).toThrow(/does not begin/);
  });
});

it("a question leaves out what is not asked", () => {
  expect(query({ q: "a & b", limit: 5, offset: 0, archived: false, trashed: true, store: undefined })).toBe("?q=a+%26+b&limit=5&offset=0&trashed=1");
});

describe("thinning", () => {
  it("keeps the ends, the highest and the lowest point", () => {
    const y = Float64Array.from({ length: 10_000 }, (_, i) => Math.sin(i / 100));
    y[7777] = 50;
    y[3333] = -50;
    const kept = thin(y, 0, y.length, 200);
    expect(kept.length).toBeLessThanOrEqual(200);
    expect([0, 3333, 7777, 9999].every((i) => kept.includes(i))).toBe(true);
    expect([...kept].sort((a, b) => a - b)).toEqual(kept);
  });

  it("keeps everything that fits", () => {
    expect(thin([1, 2, 3], 0, 3, 100)).toEqual([0, 1, 2]);
  });
});

const rowOf = (some: Partial<Row>): Row =>
  ({ key: "a", name: "one", id: "1", group: "", status: "finished", notes: "", tags: [], created: 0, params: {}, metrics: {}, ...some }) as Row;

function source(): EmbeddedSource {
  const rows = [rowOf({ key: "a", name: "one", params: { lr: 0.1 }, metrics: { f1: 0.5 } }), rowOf({ key: "b", name: "two", created: 5, tags: ["best"], metrics: { f1: "nan" } })];
  const line = { run: "a", label: "loss", stage: "train", axis: "step", rank: 0, total: 4, complete: true };
  const data = {
    runs: rows.map((row) => ({ row }) as RunDetail),
    series: [
      { ...line, name: "loss", x: { step: ["range", 0, 10, 4] as ["range", number, number, number] }, y: `f4:${base64(Float32Array.of(4, 3, 2, 1))}`, nonfinite: [{ x: { step: 15 }, value: "nan" as const }] },
      { ...line, name: "f1", label: "f1", x: { step: [10, 30] }, y: [0.2, 0.4] },
    ],
    media: { "a/m": "data:image/png;base64,AA==", "a/t": { columns: ["x"], rows: [[1], [2], [3]] } },
  } as unknown as Embedded;
  return new EmbeddedSource(data);
}

const ask = (some: Partial<SeriesQuery>): SeriesQuery => ({ series: [{ run: "a", name: "loss", stage: "train" }], x: "step", from: null, to: null, points: 100, after: null, ...some });

describe("an exported page", () => {
  it("unpacks numbers of every form", () => {
    expect([...unpack(`i4:${base64(Int32Array.of(1, -2))}`)]).toEqual([1, -2]);
    expect([...unpack(`f8:${base64(Float64Array.of(0.1))}`)]).toEqual([0.1]);
    expect([...unpack(["range", 5, 2, 3])]).toEqual([5, 7, 9]);
    expect([...unpack([1, 2])]).toEqual([1, 2]);
  });

  it("finds, sorts and pages its runs", async () => {
    expect((await source().runs({ q: "lr=0.1" })).runs.map((row) => row.key)).toEqual(["a"]);
    expect((await source().runs({ q: '"best" in tags' })).runs.map((row) => row.key)).toEqual(["b"]);
    expect((await source().runs({ sort: "-created", limit: 1 })).runs.map((row) => row.key)).toEqual(["b"]);
    expect((await source().runs({ limit: 0 })).total).toBe(2);
  });

  it("gives series by step, within a zoom one point more at each side", async () => {
    const [whole] = await source().series(ask({}));
    expect([...(whole?.x ?? [])]).toEqual([0, 10, 20, 30]);
    expect(whole?.nonfinite).toEqual([[15, "nan"]]);
    const [part] = await source().series(ask({ from: 15, to: 18 }));
    expect([...(part?.x ?? [])]).toEqual([10, 20]);
  });

  it("sets one metric against another where both have a value", async () => {
    const [line] = await source().series(ask({ x: { metric: "f1" } }));
    expect([...(line?.x ?? [])]).toEqual([0.2, 0.4]);
    expect([...(line?.y ?? [])]).toEqual([3, 1]);
  });

  it("has pictures as data, and pages of its tables", async () => {
    expect(source().mediaUrl("a", "m")).toMatch(/^data:image/);
    expect(source().mediaUrl("a", "none")).toBe("");
    expect(await source().table("a", "t", 1, 1)).toEqual({ columns: ["x"], rows: [[2]], total: 3 });
  });

  it("cannot be changed", async () => {
    await expect(source().edit()).rejects.toThrow(/cannot be changed/);
  });
});

describe("rows", () => {
  it("without a value come last whichever way", () => {
    const rows = [rowOf({ key: "x" }), rowOf({ key: "y", params: { lr: 2 } }), rowOf({ key: "z", params: { lr: 10 } })];
    expect(sortRows(rows, "param.lr").map((row) => row.key)).toEqual(["y", "z", "x"]);
    expect(sortRows(rows, "-param.lr").map((row) => row.key)).toEqual(["z", "y", "x"]);
  });

  it("have columns with their bounds, odd numbers left out of these", () => {
    const found = columnsOf([rowOf({ metrics: { f1: 0.1 } }), rowOf({ metrics: { f1: "inf" } })]);
    expect(found.metrics).toEqual([{ name: "f1", count: 2, min: 0.1, max: 0.1 }]);
  });
});
