// The kernels' tests with other ISA variants than this processor's best.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { native } from "../../../src/torch/native/native.js";
import { few } from "../../support/few.js";

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

/** Runs them with each of these variants. */
export function testVariants(variants: readonly string[]): void {
  const { isaVariant } = torch.engineFacts();
  describe.each(variants)("%s", async (variant) => {
    beforeAll(() => native.setIsaVariant(variant));
    afterAll(() => native.setIsaVariant(isaVariant));
    test("is in use", () => expect(torch.engineFacts().isaVariant).toBe(variant));
    native.setIsaVariant(variant); // files choose their cases by what it has
    const files = torch.engineFacts().integerProducts ? [...FILES, "integerProducts"] : FILES;
    for (const file of few(files, 4)) await import(/* @vite-ignore */ `./${file}.test.ts?${variant}`);
    native.setIsaVariant(isaVariant);
  });
}
