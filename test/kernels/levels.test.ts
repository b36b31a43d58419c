// The kernels' tests once more at each lower level of instructions that this processor has.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as torch from "../../src/torch/index.js";
import { addonPath } from "../../src/torch/installation.js";
import { native } from "../../src/torch/native.js";

const { kernelLevel, kernelLevels } = torch.engineFacts();
const FILES = [
  "activation",
  "attention",
  "attentionCached",
  "directionNorm",
  "dropout",
  "lowRank",
  "orthogonality",
  "rotary",
  "tangents",
];

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

// The linker keeps one copy of a function that several levels define: with another level's instructions it would end the process.
test("a level's object defines nothing outside its own namespace", () => {
  const folder = join(dirname(addonPath()), "CMakeFiles");
  const objects = readdirSync(folder).filter((name) => name.startsWith("level_"));
  expect(objects.length).toBeGreaterThanOrEqual(kernelLevels.length);
  for (const name of objects) {
    const level = name.slice("level_".length, -".dir".length);
    const object = join(folder, name, "kernels/levels/level.cpp.o");
    const symbols = execFileSync("nm", ["--defined-only", "--format=posix", object], { encoding: "utf8" })
      .trim()
      .split("\n");
    const shared = symbols.map((line) => line.split(" ")[0]!).filter((symbol) => !symbol.startsWith("DW.ref."));
    const own = new RegExp(`^(_Z\\w*6bidora${level.length}${level}|\\.L|\\.omp_)`);
    expect(shared.filter((symbol) => !own.test(symbol))).toEqual([]);
    expect(shared.length).toBeGreaterThan(10);
  }
});
