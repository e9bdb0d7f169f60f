import { afterEach, describe, expect, test, vi } from "vitest";

import type { Source } from "../api/source";
import type { Row, RunsQuery, SeriesData, SeriesQuery } from "../api/types";
import { csv } from "./download";
import { clockText } from "./axes";
import { chosen, grouped } from "./groups";
import { gridOf } from "./grid";
import { Held, joined, wantedOf } from "./held";
import { heights, outside, wholeX } from "./limits";
import { bands, lines } from "./lines";
import { placing, valueAt, visible } from "./paint";
import { moved, scaled } from "./plot";
import { nearestIndex, pointedAt, valuesAt } from "./pointing";
import { askAhead, takeAhead } from "./ahead";
import { fits, parts, rearranged, sections } from "./sections";
import { boxOf } from "./selecting";
import { Turns } from "./turns";
import { PLAIN, readView, writeView, type View } from "./view";
import { Workspace } from "./workspace";

const series = (run: string, x: number[], y: number[], more: Partial<SeriesData> = {}): SeriesData => ({
  run, name: "loss", label: "loss", stage: "train", axis: "step", rank: 0, n: x.length, total: x.length, complete: true,
  first: x[0] ?? null, last: x.at(-1) ?? null, nonfinite: [], attempts: [], cursor: x.length,
  x: Float64Array.from(x), y: Float64Array.from(y), ...more,
}); // prettier-ignore
const row = (key: string, more: Partial<Row> = {}) => ({ key, id: key, name: key, params: {}, replicates: "", group: "", metrics: {}, ...more }) as Row;
const style = { smoothing: { kind: "none" }, band: "sd", name: (key: string) => key, slot: () => 0 } as const;

describe("the view in the address", () => {
  test("what is as at first is left out", () => {
    expect(writeView(PLAIN, new URLSearchParams("keys=a,b")).toString()).toBe("keys=a%2Cb");
  });
  test("a view comes back as it was, names with signs too", () => {
    const view: View = {
      ...PLAIN,
      x: { metric: "val/f1 (validate, step)" },
      smoothing: { kind: "ema", amount: 0.9 },
      logX: true,
      against: ["a,b", "c"],
      robust: true,
      by: "",
      band: "ci",
      filter: "/^val|loss$/",
      pinned: ["val/f1", "odd;name:with%signs"],
      order: { val: ["val/b", "val/a"], "x:y": ["1,2"] },
      toggled: ["train"],
      columns: 3,
      full: "val/f1",
      hidden: ["k1"],
      zoom: { "train/loss": [-10.5, 2e6], "*": [0, 1] },
    };
    expect(readView(new URLSearchParams(writeView(view, new URLSearchParams()).toString()))).toEqual(view);
  });
  test("what makes no sense is as at first", () => {
    const query = new URLSearchParams("x=nonsense&smooth=ema:7&cols=-2&zoom=a:5~1;b&band=wide&pin=%25E0%25A4%25A");
    expect(readView(query)).toEqual({ ...PLAIN, pinned: ["%E0%A4%A"] });
  });
});

describe("sections", () => {
  const metric = (label: string, machine = false) => ({ label, count: 1, machine });
  test("validation comes first, the machine last, and names count as numbers", () => {
    const found = sections([metric("gpu", true), metric("loss"), metric("train/b10"), metric("train/b9"), metric("val/f1")]);
    expect(found.map((one) => [one.name, one.metrics.map((each) => each.label)])).toEqual([
      ["val", ["val/f1"]], ["train", ["train/b9", "train/b10"]], ["metrics", ["loss"]], ["system", ["gpu"]],
    ]); // prettier-ignore
  });
  test("an order made by hand stays, and new metrics come behind it", () => {
    const [val] = sections(["val/a", "val/b", "val/c"].map((label) => metric(label)), { val: ["val/c", "val/a"] });
    expect(val!.metrics.map((one) => one.label)).toEqual(["val/c", "val/a", "val/b"]);
    expect(rearranged(["a", "b", "c"], "a", "c")).toEqual(["b", "c", "a"]);
    expect(rearranged(["a", "b", "c"], "c", "a")).toEqual(["c", "a", "b"]);
  });
  test("words are all needed, and a pattern stands between slashes", () => {
    expect(["val/f1", "train/f1"].map((label) => fits(label, "VAL f1"))).toEqual([true, false]);
    expect(fits("val/f1", "/^val/")).toBe(true);
    expect(fits("val/f1", "/(/")).toBe(false);
  });
});

describe("the parts of the page", () => {
  const metrics = ["val/f1", "val/loss", "train/loss", "gpu"].map((label) => ({ label, count: 1, machine: label === "gpu" }));
  const shown = (view: Partial<View>) => parts(metrics, { ...PLAIN, ...view }).map((part) => [part.name, part.closed, part.metrics.map((one) => one.label).join(" ")]);

  test("are the sections, of which the machine's is closed", () => {
    expect(shown({})).toEqual([["val", false, "val/f1 val/loss"], ["train", false, "train/loss"], ["system", true, "gpu"]]);
    expect(shown({ toggled: ["val", "system"] }).map(([, closed]) => closed)).toEqual([true, false, false]);
  });
  test("what is pinned is on top, and nowhere else", () => {
    expect(shown({ pinned: ["train/loss", "gone"], filter: "loss" })).toEqual([["Pinned", false, "train/loss"], ["val", false, "val/loss"]]);
  });
});

describe("what is asked ahead", () => {
  const wanted = (label: string) => wantedOf(label, ["a"], PLAIN, {});
  const asking = () => {
    const asked: string[] = [];
    const answers: (() => void)[] = [];
    const source = {
      series: ({ series: names }: SeriesQuery) => {
        asked.push(names[0]!.name);
        return new Promise((answer) => answers.push(() => answer([series("a", [1], [2])])));
      },
      runs: ({ keys }: RunsQuery) => {
        asked.push(keys!.join());
        return Promise.resolve({ total: 2, runs: ["b", "a"].map((key) => row(key, { metrics: { loss: 0, f1: 0, lr: 0 } })) });
      },
    } as unknown as Source;
    return { source, asked, answers };
  };

  test("are the curves of charts, which find them on their way", async () => {
    const { source, asked, answers } = asking();
    const workspace = new Workspace(source);
    let here = false;
    const row = workspace.ahead(["f1", "loss"].map(wanted)).then(() => (here = true));
    const held = ["f1", "loss"].map((label) => workspace.hold(wanted(label)));
    for (const one of held) void one.load();
    expect(asked).toEqual(["f1", "loss"]);
    answers[0]!();
    await vi.waitFor(() => expect(held[0]!.state).toBe("here"));
    expect(here).toBe(false);
    answers[1]!();
    await row;
    expect(held[1]!.state).toBe("here");
    await Promise.all([workspace.ahead([wanted("f1")]), workspace.ahead([])]);
    expect(asked).toHaveLength(2);
  });
  test("are not asked for again by themselves where the server refused", async () => {
    const series = vi.fn(() => Promise.reject(new Error("no")));
    const workspace = new Workspace({ series } as unknown as Source);
    await workspace.ahead([wanted("f1")]);
    await workspace.ahead([wanted("f1")]);
    expect([series.mock.calls.length, workspace.hold(wanted("f1")).state]).toEqual([1, "failed"]);
  });
  const keys = ["a", "b"];
  test("are the rows of a page, once, in the order of the keys, and the curves that it shows first", async () => {
    const { source, asked, answers } = asking();
    let drawable = false;
    const first = askAhead(source, keys, new URLSearchParams({ pin: "lr" })).then(() => (drawable = true));
    await vi.waitFor(() => expect(asked).toEqual(["a,b", "lr"]));
    expect(drawable).toBe(false);
    answers[0]!();
    await first;
    const ahead = takeAhead(source, keys);
    expect(ahead.here!.map((one) => one.key)).toEqual(keys);
    const held = ahead.workspace.hold(wantedOf("lr", keys, PLAIN, {}));
    void held.load();
    expect([held.state, ...asked]).toEqual(["here", "a,b", "lr"]);
    expect(await ahead.rows(keys)).not.toBe(ahead.here);
    expect(asked.slice(2)).toEqual(["a,b"]);
    expect(takeAhead(source, keys)).not.toBe(ahead);
  });
  test("are asked for by the page itself where it did not wait for its rows, or shows others", async () => {
    const { source, asked } = asking();
    const late = askAhead(source, keys, new URLSearchParams());
    const ahead = takeAhead(source, keys);
    expect(ahead.here).toBeNull();
    const rows = ahead.rows(keys);
    await late;
    expect((await rows).map((one) => one.key)).toEqual(keys);
    expect(asked).toEqual(["a,b"]);
    void askAhead(source, keys, new URLSearchParams());
    expect((await takeAhead(source, ["b"]).rows(["b"])).map((one) => one.key)).toHaveLength(2);
    expect(asked).toEqual(["a,b", "a,b", "b"]);
  });
  test("are as many points as a chart shows, and all there may be where they are put together", () => {
    expect([wantedOf("f1", ["a", "b"], PLAIN, {}), wantedOf("f1", ["a", "b"], PLAIN, { tall: true })].map((one) => one.points)).toEqual([700, 2100]);
    expect(wantedOf("f1", Array(50).fill("a"), PLAIN, { together: true }).points).toBe(6000);
  });
});

describe("runs as one curve", () => {
  const rows = [0, 1, 2].map((k) => row(`r${k}`, { replicates: k < 2 ? "same" : "other", params: { lr: k < 2 ? 0.1 : 1, seed: k } }));
  test("replicates are found by themselves", () => {
    expect(chosen("auto", rows)).toBe("replicates");
    expect(chosen("auto", rows.slice(1))).toBe("");
    expect(chosen("", rows)).toBe("");
  });
  test("a group is called by what makes it different, less its seed", () => {
    expect(grouped(rows, "replicates").map((one) => [one.label, one.keys])).toEqual([["lr 0.1 × 2", ["r0", "r1"]], ["lr 1", ["r2"]]]);
    expect(grouped(rows, "param.lr").map((one) => one.label)).toEqual(["lr = 0.1", "lr = 1"]);
    expect(grouped(rows, "param.gone")).toHaveLength(3);
  });
  test("a band of two runs is their mean and deviation, and a run alone is a plain line", () => {
    const data = [series("r0", [0, 1], [1, 1]), series("r1", [0, 1], [3, 3]), series("r2", [0, 1], [9, 9])];
    const [both, alone] = bands(data, grouped(rows, "replicates"), style);
    expect([...both!.y]).toEqual([2, 2]);
    expect(both!.high![0]).toBeCloseTo(2 + Math.SQRT2, 12);
    expect(alone!.low).toBeNull();
    expect([both!.slot, alone!.slot]).toEqual([0, 1]);
  });
  test("a smoothed line keeps what was logged under it", () => {
    const [line] = lines([series("r", [0, 1, 2], [1, 2, 4])], { ...style, smoothing: { kind: "ema", amount: 0.5 } });
    expect(line!.y[2]).toBeCloseTo(3, 12);
    expect([...line!.raw!.y]).toEqual([1, 2, 4]);
  });
  test("NaN and later attempts are marked, the first attempt is not", () => {
    const [line] = lines([series("r", [0, 2], [1, 2], { nonfinite: [[1, "nan"]], attempts: [[0, 1], [2, 2]] })], style);
    expect(line!.marks.map((mark) => [mark.x, mark.kind])).toEqual([[1, "nan"], [2, "attempt"]]);
  });
});

describe("points that come later", () => {
  test("they go behind the old ones", () => {
    const grown = joined(series("r", [0, 1], [5, 6], { total: 10 }), series("r", [2], [7], { cursor: 11 }))!;
    expect([[...grown.x], [...grown.y], grown.total, grown.cursor]).toEqual([[0, 1, 2], [5, 6, 7], 11, 11]);
  });
  test("points that go back in x cannot be put behind", () => {
    expect(joined(series("r", [0, 5], [1, 1]), series("r", [3], [1]))).toBeNull();
  });
});

describe("places", () => {
  const scale = { range: [10, 1000] as const, log: true, from: 0, to: 100 };
  test("a value of a log axis goes to its place and back", () => {
    expect(placing(scale)(100)).toBeCloseTo(50, 9);
    expect(placing(scale)(-1)).toBeNaN();
    expect(valueAt(scale, 50)).toBeCloseTo(100, 9);
    expect(valueAt({ ...scale, log: false }, 50)).toBe(505);
  });
  test("what can be seen has one point more on either side", () => {
    const line = { x: Float64Array.from([0, 1, 2, 3, 4, 5]), ascending: true };
    expect(visible(line, [1.5, 3.5])).toEqual([1, 5]);
    expect(visible({ ...line, ascending: false }, [1.5, 3.5])).toEqual([0, 6]);
  });
  test("moving and scaling, also of log axes", () => {
    expect(moved([0, 10], 0.5, false)).toEqual([5, 15]);
    expect(moved([1, 100], 0.5, true)).toEqual([10, 1000]);
    expect(scaled([0, 10], 0.5, 0.5, false)).toEqual([2.5, 7.5]);
    const [low, high] = scaled([1, 10_000], 0.5, 0.5, true);
    expect([low, high].map(Math.round)).toEqual([10, 1000]);
  });
  test("heights are those of what is seen, and outliers can be left out and counted", () => {
    const y = Array.from({ length: 100 }, (_, i) => (i === 50 ? 1000 : i / 100));
    const found = lines([series("r", y.map((_, i) => i), y)], style);
    expect(wholeX(found, false)).toEqual([0, 99]);
    expect(heights(found, [0, 40], { logY: false, robust: false })[1]).toBeLessThan(1);
    expect(heights(found, [0, 99], { logY: false, robust: false })[1]).toBeGreaterThan(1000);
    const calm = heights(found, [0, 99], { logY: false, robust: true });
    expect(calm[1]).toBeLessThan(2);
    expect(outside(found, [0, 99], calm)).toBe(1);
  });
  test("the line under the pointer is the nearest in height", () => {
    const found = lines([series("low", [0, 10], [0, 0]), series("high", [0, 10], [10, 10]), series("late", [8, 10], [5, 5])], style);
    const frame = { x: { range: [0, 10] as const, log: false, from: 0, to: 100 }, y: { range: [0, 10] as const, log: false, from: 100, to: 0 }, ratio: 1 };
    const values = valuesAt(found, 2);
    expect(values.map((value) => value.line.id)).toEqual(["low", "high"]);
    expect(pointedAt(values, frame, 5)).toBe("high");
    expect(pointedAt(values, frame, 50)).toBeNull();
    expect(nearestIndex(found[0]!, 7)).toBe(1);
  });
});

test("a table of values starts no formula and keeps what is not finite", () => {
  const text = csv([series("k", [0, 2], [1, 2], { nonfinite: [[1, "nan"]] })], () => '=HYPERLINK("x")', "step", "val,f1");
  expect(text).toBe(`run,key,step,"val,f1"\n"'=HYPERLINK(""x"")",k,0,1\n"'=HYPERLINK(""x"")",k,1,nan\n"'=HYPERLINK(""x"")",k,2,2\n`);
});

describe("points that the server has yet to read", () => {
  const of = (run: string, later: boolean) => (later ? series(run, [], [], { later, complete: false }) : series(run, [1, 2], [3, 4]));

  test("are asked for again until they are here, and what is here is shown meanwhile", async () => {
    const asked: string[][] = [];
    const shown: number[] = [];
    const source = {
      series: ({ series }: SeriesQuery) => {
        asked.push(series.map((one) => one.run));
        return Promise.resolve(series.map((one, k) => of(one.run, k > 0)));
      },
    } as unknown as Source;
    const held = new Held(source, { keys: ["a", "b", "c"], label: "loss", x: "step", points: 700, superseded: false }, new Turns(2));
    held.hear(() => shown.push(held.whole.filter((one) => !one.later).length));
    await held.load();
    expect(asked).toEqual([["a", "b", "c"], ["b", "c"], ["c"]]);
    expect(shown).toEqual([1, 2, 3]);
    expect(held.whole.map((one) => one.run)).toEqual(["a", "b", "c"]);
  });

  afterEach(() => void vi.unstubAllGlobals());

  test("are not asked for again before the first ones are drawn", async () => {
    const told: string[] = [];
    vi.stubGlobal("requestAnimationFrame", (draw: () => void) => setTimeout(() => (told.push("drawn"), draw()), 20));
    const source = {
      series: ({ series }: SeriesQuery) => {
        told.push(`asked for ${series.length}`);
        return Promise.resolve(series.map((one, k) => of(one.run, k > 0)));
      },
    } as unknown as Source;
    await new Held(source, { keys: ["a", "b"], label: "loss", x: "step", points: 700, superseded: false }, new Turns(2)).load();
    expect(told).toEqual(["asked for 2", "drawn", "asked for 1"]);
  });
});

describe("the grid", () => {
  const look = { x: "step", logX: false, logY: false, text: "", grid: "", font: "" } as const;

  test("leaves the lines the place that the texts do not need", () => {
    const { frame, x, y } = gridOf(look, [0, 500], [0, 3], { width: 400, height: 216 }, 2);
    expect(x.map((mark) => mark.text)).toEqual(["0", "100", "200", "300", "400", "500"]);
    expect(y.map((mark) => mark.text)).toEqual(["0", "1", "2", "3"]);
    expect([frame.x.from, frame.x.to, frame.y.to, frame.y.from]).toEqual([66, 764, 16, 380]);
  });
  test("a time axis tells the day once, and then the times", () => {
    const [ten, eleven] = [new Date(2026, 10, 28, 10).getTime() / 1000, new Date(2026, 10, 28, 11).getTime() / 1000];
    expect(clockText(ten, undefined, 3600)).toBe("11-28");
    expect(clockText(eleven, ten, 3600)).toBe("11:00");
    expect(clockText(eleven, ten, 30)).toBe("11:00:00");
    expect(clockText(eleven + 0.5, eleven, 0.5)).toBe("00.500");
    expect(clockText(eleven, ten, 31 * 86400)).toBe("2026-11");
  });
});

test("a drag chooses a stretch of x, of y if it is upright, and both if it is large", () => {
  const area = [300, 200] as const;
  expect(boxOf([10, 50], [90, 60], area)).toEqual({ left: 10, width: 80, top: 0, height: 200 });
  expect(boxOf([90, 50], [85, 150], area)).toEqual({ left: 0, width: 300, top: 50, height: 100 });
  expect(boxOf([90, 150], [400, 100], area)).toEqual({ left: 90, width: 210, top: 100, height: 50 });
});
