import { describe, expect, it } from "vitest";
import { llama3Settings } from "../../../src/formats/gguf/rope.js";

interface Given {
  readonly size: number;
  readonly theta: number;
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  readonly original: number;
}

/** The factors as llama.cpp's converter computes them. */
function factorsOf({ size, theta, factor, low, high, original }: Given): Float32Array {
  return Float32Array.from({ length: size / 2 }, (_, i) => {
    const wave = (2 * Math.PI) / Math.fround(1 / Math.fround(theta ** ((2 * i) / size)));
    if (wave < original / high) return 1;
    if (wave > original / low) return factor;
    const smooth = (original / wave - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

describe("llama3Settings", () => {
  it.each([32, 8])("recovers Llama 3's settings with factor %i", (factor) => {
    const given = { size: 64, theta: 500_000, factor, low: 1, high: 4, original: 8192 };
    expect(llama3Settings(factorsOf(given), given.theta)).toEqual({
      factor,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    });
  });

  it("finds settings that give the same factors, with many, one or no interpolated frequency", () => {
    const sizes = [4, 8, 16, 24, 64];
    const originals = [8, 32, 64, 1024, 8192];
    const between = new Set<number>();
    for (const size of sizes)
      for (const original of originals)
        for (const [low, high] of [
          [1, 4],
          [2, 8],
          [1, 3.5],
        ] as const) {
          const given = { size, theta: 10_000, factor: 8, low, high, original };
          const factors = factorsOf(given);
          if (factors.every((factor) => factor === 1)) continue;
          const found = llama3Settings(factors, given.theta);
          if (!found) expect.fail(`none for ${JSON.stringify(given)}`);
          const { low_freq_factor, high_freq_factor, original_max_position_embeddings } = found;
          const again = {
            ...given,
            factor: found.factor,
            low: low_freq_factor,
            high: high_freq_factor,
            original: original_max_position_embeddings,
          };
          for (const [i, factor] of factorsOf(again).entries()) expect(factor / factors[i]! - 1).toBeCloseTo(0, 5);
          expect(Number.isInteger(original_max_position_embeddings)).toBe(true);
          between.add(factors.filter((factor) => factor > 1 && factor < 8).length);
        }
    expect([...between]).toEqual(expect.arrayContaining([0, 1, 2, 4]));
  });

  it.each([
    ["no order", [1, 8, 1, 8]],
    ["an interpolation that is not linear", [1, 1.1, 1.2, 7, 8, 8]],
    ["only zeros", [0, 0, 0]],
    ["NaN", [1, Number.NaN, 8]],
    ["a factor below 1", [1, 0.5]],
  ])("finds no settings for factors with %s", (_, factors) => {
    expect(llama3Settings(Float32Array.from(factors), 10_000)).toBeUndefined();
  });
});
