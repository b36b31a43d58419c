// Runs the kernels' tests again with every other ISA variant that this processor has.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { native } from "../../../src/torch/native/native.js";

const { isaVariant, isaVariants } = torch.engineFacts();
const FILES = [
  "activation",
  "adamw8bit",
  "attention",
  "attentionCached",
  "directionNorm",
  "dropout",
  "lowRank",
  "orthogonality",
  "rotary",
  "tangents",
];

test("the best ISA variant is used by default, and an unknown one is refused with the list of names", () => {
  expect(isaVariants[0]).toBe(process.arch === "arm64" ? "neon" : "baseline");
  expect(isaVariant).toBe(process.env.BIDORA_CPU || isaVariants.at(-1));
  expect(() => native.setIsaVariant("avx1024")).toThrow(
    `this processor supports (${isaVariants.join(", ")}), got avx1024`,
  );
});

describe.each(isaVariants.filter((variant) => variant !== isaVariant))("%s", async (variant) => {
  beforeAll(() => native.setIsaVariant(variant));
  afterAll(() => native.setIsaVariant(isaVariant));
  test("is in use", () => expect(torch.engineFacts().isaVariant).toBe(variant));
  native.setIsaVariant(variant); // files choose their cases by what it has
  const files = torch.engineFacts().integerProducts ? [...FILES, "integerProducts"] : FILES;
  for (const file of files) await import(/* @vite-ignore */ `./${file}.test.ts?${variant}`);
  native.setIsaVariant(isaVariant);
});
