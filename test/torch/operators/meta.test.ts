// Training steps of families with layers of their own, and of every method, on the meta device; meta.slow.test.ts has the other families.
import { describe, expect, test } from "vitest";
import { METHODS, methodNames } from "../../../src/tasks/config/index.js";
import * as torch from "../../../src/torch/index.js";
import { FEW_FAMILIES, guard, step, testFamilies } from "./metaSteps.js";

testFamilies(FEW_FAMILIES);

test.each(methodNames)("the method %s", (method) => step({ family: "bert", checkpoint: "dropout", method }));

test.each(["finite-difference", "forward-difference", "neumann", "cg", "first-order"] as const)(
  "the hypergradient %s",
  (hypergradient) => step({ family: "bert", checkpoint: "dropout", settings: { hypergradient } }),
);

describe("a quantized base", () => {
  const trained = methodNames.filter((method) => METHODS[method].adapter !== undefined);
  /** PEFT does not have them for GPT-2's Conv1D. */
  const ofLinear: readonly string[] = ["oft", "miss", "delora"];
  test.each(trained)("with %s", (method) =>
    step({ family: ofLinear.includes(method) ? "bert" : "gpt2", method, isQuantized: true }),
  );
  test("differentiated twice", () =>
    step({ family: "bert", isQuantized: true, settings: { hypergradient: "neumann", hypergradientTerms: 1 } }));
});

test("a language model's tokens", () => step({ family: "llama", checkpoint: "lm", kind: "causal-lm", method: "lora" }));

describe("the guard of these tests refuses", () => {
  const x = () => torch.ones([2], { device: "meta" });

  test("an operand on another device", () => {
    expect(() => torch.mul(x(), torch.ones([2]))).toThrow("aten::mul.Tensor has operands on meta and cpu");
  });

  test("a tensor that is made on the CPU in a step", async () => {
    await expect(guard.onMetaAlone(() => torch.ones([2]))).rejects.toThrow("aten::ones made a tensor on the CPU");
    await expect(guard.onMetaAlone(() => torch.tensor([1]))).rejects.toThrow("made from numbers on the CPU");
    expect(await guard.onMetaAlone(() => torch.tensor([1], [1], "float32", "meta").item())).toBe(1);
  });
});
