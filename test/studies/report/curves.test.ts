import { describe, expect, it } from "vitest";
import { downsample, evenlyChosen, smooth } from "../../../src/studies/report/figures/curves.js";
import { modulePathOf, type Point } from "../../../src/studies/report/runs.js";

const points = (values: readonly number[], phase: Point["phase"] = "train", from = 1): Point[] =>
  values.map((value, place) => ({ run: "a", phase, step: from + place, value }));
const range = (length: number) => Array.from({ length }, (_, place) => place);

describe("smooth", () => {
  it("keeps a straight line unchanged, including both ends", () => {
    const line = points(range(100).map((place) => 3 - 0.02 * place));
    for (const [place, { value }] of smooth(line).entries()) expect(value).toBeCloseTo(line[place]!.value, 12);
  });

  it("removes most of the noise", () => {
    const noisy = points(range(300).map((place) => (place % 2 === 0 ? 1 : -1)));
    for (const { value } of smooth(noisy)) expect(Math.abs(value)).toBeLessThan(0.4);
  });

  it("smooths each phase by itself and leaves short curves unchanged", () => {
    const both = [...points(range(50).fill(1), "search"), ...points(range(50).fill(5), "retrain", 51)];
    expect(smooth(both).map(({ value }) => Math.round(value * 1e9) / 1e9)).toEqual(both.map(({ value }) => value));
    const short = points([1, 9, 1, 9]);
    expect(smooth(short)).toEqual(short);
  });
});

describe("downsample", () => {
  it("downsample keeps both ends, the order and every spike", () => {
    const spiky = range(10_000).map((place) => (place === 4321 ? 50 : place === 777 ? -50 : Math.sin(place)));
    const kept = downsample(points(spiky), 100);
    expect(kept.length).toBeLessThanOrEqual(104);
    expect(kept.map(({ value }) => value)).toEqual(expect.arrayContaining([50, -50]));
    expect([kept[0]!.step, kept.at(-1)!.step]).toEqual([1, 10_000]);
    expect(kept).toEqual(kept.toSorted((a, b) => a.step - b.step));
  });
});

it("splits a module path into layer and kind", () => {
  expect(modulePathOf("encoder.layer.11.attention.self.query")).toEqual({ layer: 11, kind: "attention.self.query" });
  expect(modulePathOf("h.0.attn.c_attn")).toEqual({ layer: 0, kind: "attn.c_attn" });
  expect(modulePathOf("classifier.out_proj")).toEqual({ layer: 0, kind: "classifier.out_proj" });
});

it("spread keeps short lists, and both ends of long ones", () => {
  expect(evenlyChosen([1, 2, 3], 3)).toEqual([1, 2, 3]);
  expect(
    evenlyChosen(
      Array.from({ length: 1001 }, (_, i) => i),
      5,
    ),
  ).toEqual([0, 250, 500, 750, 1000]);
});
