// The kernels' tests once more at each lower level of instructions that this processor has.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as torch from "../../src/torch/index.js";
import { native } from "../../src/torch/native.js";

const { kernelLevel, kernelLevels } = torch.engineFacts();
const FILES = ["attention", "directionNorm", "dropout", "lowRank"];

test("the best level is taken, and one that is not there refused by name", () => {
  expect(kernelLevels[0]).toBe("baseline");
  expect(kernelLevel).toBe(process.env.BIDORA_CPU || kernelLevels.at(-1));
  expect(() => native.setKernelLevel("avx1024")).toThrow(
    `this processor has (${kernelLevels.join(", ")}), got avx1024`,
  );
});

describe.each(kernelLevels.filter((level) => level !== kernelLevel))("%s", async (level) => {
  beforeAll(() => native.setKernelLevel(level));
  afterAll(() => native.setKernelLevel(kernelLevel));
  test("is in use", () => expect(torch.engineFacts().kernelLevel).toBe(level));
  for (const file of FILES) await import(/* @vite-ignore */ `./${file}.test.ts?${level}`);
});
