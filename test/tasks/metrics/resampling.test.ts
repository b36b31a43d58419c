import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  type BootstrapOptions,
  bootstrapSamples,
  jackknifeSamples,
} from "../../../src/tasks/metrics/parts/resampling.js";

const read = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../golden/compare/${file}`, import.meta.url), "utf8"));
const { settings, draws } = read("draws.json") as { settings: Required<BootstrapOptions>; draws: number[][] };

test("bootstrap samples are those of the golden values", () => {
  expect(Array.from(bootstrapSamples(24, settings), (drawn) => [...drawn])).toEqual(draws);
});

test.each([
  [1, 1],
  [30, 30],
  [200, 200],
  [201, 200],
  [1009, 200],
])("a jackknife of %i rows leaves out each once, in %i groups of similar size", (rows, groups) => {
  const kept = Array.from(jackknifeSamples(rows, { seed: 0 }), (left) => new Set(left));
  expect(kept).toHaveLength(groups);
  for (let row = 0; row < rows; row++) expect(kept.filter((left) => !left.has(row))).toHaveLength(1);
  const sizes = new Set(kept.map((left) => rows - left.size));
  expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
});

test("a jackknife's groups are random, by the seed", () => {
  const [first] = jackknifeSamples(1000, { seed: 0 });
  const gone = Array.from({ length: 1000 }, (_, row) => row).filter((row) => !first!.includes(row));
  expect(new Set(gone.map((row, i) => row - (gone[i - 1] ?? 0))).size).toBeGreaterThan(2);
  expect([...jackknifeSamples(1000, { seed: 0 })][0]).toEqual(first);
  expect([...jackknifeSamples(1000, { seed: 1 })][0]).not.toEqual(first);
});
