import { describe, expect, it } from "vitest";
import { ticksWithin } from "../../../src/studies/report/figures/plot.js";
import { offsets, spread } from "../../../src/studies/report/figures/pointLabels.js";

const inOrder = (values: readonly number[]) => values.toSorted((a, b) => a - b);
const gaps = (values: readonly number[]) => inOrder(values).flatMap((one, i, all) => (i > 0 ? one - all[i - 1]! : []));

describe("spread", () => {
  it("spread keeps positions that are far enough apart", () => {
    expect(spread([80, 20, 50], 15, 0, 100)).toEqual([80, 20, 50]);
  });

  it("spread moves equal positions apart by the smallest distance", () => {
    expect(spread([50, 50], 10, 0, 100)).toEqual([45, 55]);
    expect(spread([50, 50, 50], 10, 0, 100)).toEqual([40, 50, 60]);
  });

  it("neighbors that come too close move together", () => {
    expect(spread([50, 50, 58], 10, 0, 100)).toEqual([42 + 2 / 3, 52 + 2 / 3, 62 + 2 / 3]);
  });

  it("positions stay between the ends and keep their gaps", () => {
    for (const wanted of [
      [0, 0, 0, 3],
      [100, 99, 100],
      [1, 99, 98, 2, 50],
    ]) {
      const places = spread(wanted, 10, 0, 100);
      expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...places)).toBeLessThanOrEqual(100);
      for (const gap of gaps(places)) expect(gap).toBeGreaterThanOrEqual(10 - 1e-9);
      const order = (values: readonly number[]) => values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
      expect(order(places)).toEqual(order(wanted));
    }
  });
});

describe("marks that would overlap", () => {
  const room = { near: 7, room: 22 };

  it("overlapping marks of a band are stacked; others stay in place", () => {
    expect(offsets([10, 10, 40, 10], [0, 0, 0, 30], room)).toEqual([-3.5, 3.5, 0, 0]);
    expect(offsets([12, 10, 14], [0, 0, 0], room)).toEqual([0, -7, 7]);
  });

  it("stacked marks stay within their band", () => {
    const moved = offsets(Array(12).fill(5), Array(12).fill(0), room);
    expect(new Set(moved).size).toBe(12);
    expect(Math.max(...moved.map(Math.abs))).toBeLessThanOrEqual(11 + 1e-9);
  });
});

describe("ticks", () => {
  const ticksOf = (low: number, high: number, width: number) => {
    const { values, format } = ticksWithin([low, high], width);
    return { values, texts: values.map(format) };
  };

  it.each([
    [4.86, 4.94],
    [3560, 3570],
    [222_700, 222_750],
    [35_439_000, 35_439_500],
    [0.25, 2.25],
    [-0.31, 0.62],
    [1e-7, 9e-7],
    [0, 3e10],
  ])("from %d to %d are distinct, exact, and do not overlap", (low, high) => {
    for (const width of [120, 180, 260, 400, 800]) {
      const { values, texts } = ticksOf(low, high, width);
      expect(values.length).toBeGreaterThan(0);
      expect(new Set(texts).size).toBe(texts.length);
      const units = { K: 1e3, M: 1e6, G: 1e9 };
      for (const [i, text] of texts.entries()) {
        const [, figures, unit] = /^(.*?)([KMG]?)$/.exec(text.replaceAll(",", "").replace("−", "-"))!;
        const read = Number(figures) * (unit === "" ? 1 : units[unit as "K"]);
        expect(Math.abs(read - values[i]!)).toBeLessThanOrEqual(1e-9 * (high - low));
      }
      const apart = ((values[1]! - values[0]!) / (high - low)) * width;
      if (values.length > 1) expect(Math.max(...texts.map(({ length }) => length)) * 6.5).toBeLessThan(apart);
    }
  });
});
