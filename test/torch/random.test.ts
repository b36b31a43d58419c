import { expect, it } from "vitest";
import * as torch from "../../src/torch/index.js";

const draw = (generator: torch.Generator) => torch.normal_(torch.empty([5]), 0, 1, { generator }).toArray();

it("continues from a saved state, in the same and in another generator", () => {
  const generator = new torch.Generator(42);
  draw(generator);
  const state = generator.getState();
  const copy = generator.clone();
  const next = draw(generator);
  expect(draw(generator)).not.toEqual(next);
  generator.setState(state);
  expect(draw(generator)).toEqual(next);
  const other = new torch.Generator(1);
  other.setState(state);
  expect(draw(other)).toEqual(next);
  expect(draw(copy)).toEqual(next);
});

it("uses all bits of its seed", () => {
  const seeds = [0, 1, -1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52 + 1, 2n ** 63n, 2n ** 63n + 3n];
  const drawn = seeds.map((seed) => draw(new torch.Generator(seed)).join());
  expect(new Set(drawn).size).toBe(seeds.length);
  const generator = new torch.Generator(9);
  const first = draw(generator);
  generator.manualSeed(9);
  expect(draw(generator)).toEqual(first);
});

it.each([
  [0, [44, 239, 933]],
  [42, [542, 67, 876]],
  [2 ** 32 - 1, [371, 978, 476]],
])("draws PyTorch's numbers after manual_seed(%d)", (seed, expected) => {
  const generator = new torch.Generator(seed);
  expect(torch.randint(1000, [3], { generator, dtype: "int64" }).toArray().map(Number)).toEqual(expected);
});

it("refuses invalid seeds and states", () => {
  expect(() => new torch.Generator(1.5)).toThrow(/whole number/);
  expect(() => new torch.Generator(Number.NaN)).toThrow(/whole number/);
  const generator = new torch.Generator(3);
  const before = generator.getState();
  expect(() => generator.setState(before.subarray(1))).toThrow(/state/);
  expect(() => generator.setState(new Uint8Array(before.length))).toThrow();
  expect(generator.getState()).toEqual(before);
});
