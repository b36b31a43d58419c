// The kernels' tests with the simplest ISA variant; isaVariants.slow.test.ts runs them with the others.
import { expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { native } from "../../../src/torch/native/native.js";
import { testVariants } from "./otherVariants.js";

const { isaVariant, isaVariants } = torch.engineFacts();

test("the best ISA variant is used by default, and an unknown one is refused with the list of names", () => {
  expect(isaVariants[0]).toBe(process.arch === "arm64" ? "neon" : "baseline");
  expect(isaVariant).toBe(process.env.BIDORA_CPU || isaVariants.at(-1));
  expect(() => native.setIsaVariant("avx1024")).toThrow(
    `this processor supports (${isaVariants.join(", ")}), got avx1024`,
  );
});

testVariants(isaVariants.slice(0, 1).filter((variant) => variant !== isaVariant));
