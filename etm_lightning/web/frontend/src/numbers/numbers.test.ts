import { describe, expect, test } from "vitest";
import { align } from "./align";
import { band, bootstrap } from "./bands";
import * as format from "./format";
import { bestSoFar, paretoFront } from "./pareto";
import { extent, padded, robustRange } from "./ranges";
import { firstFrom, nearest } from "./search";
import { ema, gaussian, smooth } from "./smoothing";
import { deviation, mean, quantile, rankCorrelation, ranks } from "./statistics";
import { thin } from "./thin";
import { clockTicks, logTicks, ticks, ticksOf } from "./ticks";

const f = (...values: number[]) => Float64Array.from(values);
const near = (actual: ArrayLike<number>, expected: number[]) => {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) =>
    Number.isFinite(value) ? expect(actual[i]).toBeCloseTo(value, 9) : expect(actual[i]).toBe(value),
  );
};

describe("smoothing", () => {
  test("the average starts at the first value, without a bias towards zero", () => {
    // weight 0.5: m = 0.5, 1.25, 2.625; 1 - w^k = 0.5, 0.75, 0.875
    near(ema([1, 2, 4], 0.5), [1, 5 / 3, 3]);
  });
  test("a weight of zero changes nothing, and a constant stays constant", () => {
    near(ema([3, 1, 2], 0), [3, 1, 2]);
    near(ema([7, 7, 7], 0.9), [7, 7, 7]);
  });
  test("points that are not finite stay and touch no other", () => {
    near(ema([1, NaN, 2, Infinity, 4], 0.5), [1, NaN, 5 / 3, Infinity, 3]);
    near(gaussian([1, NaN, 1, -Infinity, 1], 1), [1, NaN, 1, -Infinity, 1]);
  });
  test("a weight of one is refused by name", () => {
    expect(() => ema([1], 1)).toThrow("`weight` must be in [0, 1) but got 1");
  });
  test("the Gaussian weighs neighbours by their distance and is whole at the ends", () => {
    const [one, four] = [Math.exp(-0.5), Math.exp(-2)];
    near(gaussian([0, 1, 0], 1), [one / (1 + one + four), 1 / (1 + 2 * one), one / (1 + one + four)]);
  });
  test("a thinned curve is smoothed as far along x as the whole one", () => {
    const whole = Float64Array.from({ length: 4000 }, (_, i) => (i < 2000 ? 0 : 1));
    const half = whole.filter((_, i) => i % 2 === 1);
    const [a, b] = [smooth(whole, { kind: "ema", amount: 0.99 }), smooth(half, { kind: "ema", amount: 0.99 }, 4000)];
    expect(Math.abs(a[2199]! - b[1099]!)).toBeLessThan(0.01);
    expect(a[2199]).toBeGreaterThan(0.8);
  });
});

describe("statistics", () => {
  test("mean, deviation of a sample and quantiles", () => {
    expect(mean([2, 4, 9])).toBe(5);
    expect(deviation([2, 4, 9])).toBeCloseTo(Math.sqrt(13), 12);
    expect(deviation([2])).toBe(0);
    expect(quantile([1, 2, 3, 10], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 10], 0.9)).toBeCloseTo(7.9, 12);
  });
  test("ranks share ties, and a rising curve correlates fully", () => {
    expect(ranks([10, 30, 10, 20])).toEqual([1.5, 4, 1.5, 3]);
    expect(rankCorrelation([1, 2, 3, 4], [1, 8, 27, 64])).toBeCloseTo(1, 12);
    expect(rankCorrelation([1, 2, 3], [9, 4, 1])).toBeCloseTo(-1, 12);
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNaN();
  });
});

describe("several runs on one x", () => {
  test("a run without a point there has the value on the line, and none outside its range", () => {
    const { x, columns } = align([{ x: f(0, 2, 4), y: f(0, 2, 8) }, { x: f(1, 2), y: f(5, 7) }]);
    near(x, [0, 1, 2, 4]);
    near(columns[0]!, [0, 1, 2, 8]);
    near(columns[1]!, [NaN, 5, 7, NaN]);
  });
  test("points that are not finite are left out", () => {
    const { columns } = align([{ x: f(0, 1, 2), y: f(0, NaN, 2) }, { x: f(0, 1, 2), y: f(1, 1, 1) }]);
    near(columns[0]!, [0, 1, 2]);
  });
  test("very many different x come into bins, and their extremes stay", () => {
    const at = (shift: number) => Float64Array.from({ length: 5000 }, (_, i) => i + shift);
    const spike = new Float64Array(5000).fill(1);
    spike[1234] = 99;
    const { x, columns, highs } = align(
      [0, 0.25, 0.5].map((shift, k) => ({ x: at(shift), y: k ? new Float64Array(5000).fill(2) : spike })),
      100,
    );
    expect(x.length).toBe(100);
    expect(Math.max(...highs[0]!)).toBe(99);
    expect(columns[1]!.every((value) => value === 2)).toBe(true);
    expect(columns[0]![24]).toBeCloseTo((49 + 99) / 50, 9);
  });
  test("a band is mean and standard deviation, or smallest to largest", () => {
    const aligned = align([1, 2, 6].map((value) => ({ x: f(0, 1), y: f(value, value) })));
    const sd = band(aligned, "sd");
    near(sd.mean, [3, 3]);
    near(sd.low, [3 - Math.sqrt(7), 3 - Math.sqrt(7)]);
    near(sd.high, [3 + Math.sqrt(7), 3 + Math.sqrt(7)]);
    const range = band(aligned, "range");
    near(range.low, [1, 1]);
    near(range.high, [6, 6]);
    expect([...range.count]).toEqual([3, 3]);
  });
  test("where one run goes on alone the band has no width", () => {
    const sd = band(align([{ x: f(0, 1), y: f(1, 3) }, { x: f(0), y: f(3) }]), "sd");
    near(sd.mean, [2, 3]);
    expect(sd.high[1]).toBe(3);
    expect([...sd.count]).toEqual([2, 1]);
  });
  test("the bootstrap of two values is both of them and the middle", () => {
    // means of two draws: 0, 1/2 or 1 with 1/4, 1/2, 1/4: the 2.5 % and 97.5 % quantiles are the values
    expect(bootstrap()([0, 1])).toEqual([0, 1]);
  });
  test("the bootstrap interval is near the normal one, and the same each time", () => {
    const values = Array.from({ length: 40 }, (_, i) => i);
    const [low, high] = bootstrap(4000)(values);
    const half = (1.96 * deviation(values)) / Math.sqrt(40);
    expect(Math.abs(low - (19.5 - half))).toBeLessThan(0.25);
    expect(Math.abs(high - (19.5 + half))).toBeLessThan(0.25);
    expect(bootstrap(4000)(values)).toEqual([low, high]);
  });
});

describe("ranges and ticks", () => {
  test("the whole range leaves out what is not finite, and on a log axis what is not above 0", () => {
    expect(extent([f(3, NaN, Infinity), f(-1, 2)])).toEqual([-1, 3]);
    expect(extent([f(0, 0.5, -3, 7)], true)).toEqual([0.5, 7]);
    expect(extent([f(NaN)])).toBeNull();
  });
  test("one spike does not stretch the robust range, and a curve without one is shown whole", () => {
    const calm = Float64Array.from({ length: 101 }, (_, i) => i / 100);
    expect(robustRange([calm])).toEqual([0, 1]);
    const [low, high] = robustRange([calm, f(1000)])!;
    expect(low).toBe(0);
    expect(high).toBeLessThan(1.5);
  });
  test("a constant with one spike keeps its whole range", () => {
    expect(robustRange([new Float64Array(100).fill(2), f(5)])).toEqual([2, 5]);
  });
  test("room around a range, also around one value", () => {
    expect(padded([0, 10])).toEqual([-0.5, 10.5]);
    expect(padded([5, 5])).toEqual([4.5, 5.5]);
    expect(padded([0, 0])).toEqual([-1, 1]);
    near(padded([1, 100], 0.5, true), [0.1, 1000]);
  });
  test("ticks by given steps are multiples of the smallest that leaves room", () => {
    expect(ticksOf([15, 30, 60], [40, 130], 3)).toEqual([60, 90, 120]);
    expect(ticksOf([15, 30, 60], [0, 1000], 5)).toEqual(ticks([0, 1000], 5));
  });
  test("ticks of the clock are whole minutes, days, months and years of the place", () => {
    const at = (...parts: [number, number, number?, number?, number?, number?]) => new Date(...(parts as [number, number])).getTime() / 1000;
    const told = (from: number, to: number) => clockTicks([from, to], 4).at.map((one) => new Date(one * 1000));
    expect(told(at(2026, 10, 28, 9, 59, 0), at(2026, 10, 28, 10, 16, 0)).map((one) => one.getMinutes())).toEqual([0, 5, 10, 15]);
    expect(told(at(2026, 10, 28, 9), at(2026, 11, 1, 9)).map((one) => [one.getDate(), one.getHours()])).toEqual([[29, 0], [30, 0], [1, 0]]);
    expect(told(at(2026, 10, 3), at(2027, 1, 20)).map((one) => one.getMonth())).toEqual([11, 0, 1]);
    expect(told(at(2019, 5), at(2026, 5)).map((one) => one.getFullYear())).toEqual([2020, 2022, 2024, 2026]);
    expect(clockTicks([1.5e9 + 0.1, 1.5e9 + 0.5], 4)).toEqual({ step: 0.1, at: [0.1, 0.2, 0.3, 0.4, 0.5].map((part) => 1.5e9 + part) });
  });
  test("ticks are round numbers within the range", () => {
    expect(ticks([0, 1])).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks([-3, 12], 3)).toEqual([0, 5, 10]);
    expect(ticks([0.00012, 0.00031], 4)).toEqual([0.00015, 0.0002, 0.00025, 0.0003]);
    expect(ticks([2, 2])).toEqual([2]);
    expect(logTicks([0.00005, 0.2])).toEqual([0.0001, 0.001, 0.01, 0.1]);
    expect(logTicks([2, 8], 3)).toEqual([2, 4, 6, 8]);
  });
});

describe("thinning", () => {
  test("a spike of one point is kept, and so are both ends", () => {
    const x = Float64Array.from({ length: 10_000 }, (_, i) => i);
    const y = x.map((i) => (i === 7777 ? 50 : Math.sin(i / 500)));
    const few = thin({ x, y }, 400);
    expect(few.x.length).toBeLessThanOrEqual(400);
    expect(few.y[few.x.indexOf(7777)]).toBe(50);
    expect([few.x[0], few.x.at(-1)]).toEqual([0, 9999]);
    expect(extent([few.y])).toEqual(extent([y]));
    expect([...few.x].every((at, i) => i === 0 || at > few.x[i - 1]!)).toBe(true);
  });
  test("a short curve stays as it is", () => {
    const curve = { x: f(1, 2), y: f(3, 4) };
    expect(thin(curve, 10)).toBe(curve);
  });
});

test("the nearest point, and the first from a place", () => {
  expect([0, 2.4, 2.6, 9].map((at) => nearest([1, 2, 3], at))).toEqual([0, 1, 2, 2]);
  expect(nearest([], 1)).toBe(-1);
  expect([0, 2, 2.5, 4].map((at) => firstFrom([1, 2, 3], at))).toEqual([0, 1, 2, 3]);
});

describe("studies", () => {
  test("in front is what nothing else beats in every objective", () => {
    const rows = [[0.9, 10], [0.8, 5], [0.7, 7], [0.9, 12], [NaN, 1]];
    expect(paretoFront(rows, ["max", "min"])).toEqual([0, 1]);
  });
  test("the best so far does not get worse, and failed trials do not count", () => {
    expect(bestSoFar([NaN, 3, 5, 2, NaN, 1], "min")).toEqual([NaN, 3, 3, 2, 2, 1]);
    expect(bestSoFar([1, 3, 2], "max")).toEqual([1, 3, 3]);
  });
});

describe("numbers as text", () => {
  test("four digits, and powers of ten where these are shorter", () => {
    expect([0.123456, 12345.678, 3, -0.5, 0.00001234, 1.5e9, 0].map((value) => format.number(value))).toEqual(
      ["0.1235", "12346", "3", "−0.5", "1.234e-5", "1.5e9", "0"],
    );
    expect([NaN, Infinity, -Infinity].map((value) => format.number(value))).toEqual(["NaN", "∞", "−∞"]);
  });
  test("counts and durations in short", () => {
    expect([950, 12_345, 4e6, 2.5e9].map(format.count)).toEqual(["950", "12.3k", "4M", "2.5G"]);
    expect([0.5, 59, 61, 3900, 180_000].map(format.duration)).toEqual(
      ["0.5 s", "59 s", "1 min 1 s", "1 h 5 min", "2 d 2 h"],
    );
  });
  test("moments, and what no calendar has", () => {
    expect([new Date(2026, 10, 3, 4, 5, 6).getTime() / 1000, -1e30].map(format.date)).toEqual(["2026-11-03 04:05:06", "−1e30"]);
  });
  test("the API's words for numbers that are not finite", () => {
    expect(["nan", "inf", "-inf", 2].map(format.parsed)).toEqual([NaN, Infinity, -Infinity, 2]);
  });
});
