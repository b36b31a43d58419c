import { describe, expect, test } from "vitest";
import { TrainedTensor } from "../../src/models/adapters/index.js";
import { Parameter } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { checkGradients } from "../../src/training/steps/finite.js";
import { Level } from "../../src/training/steps/level.js";
import { planSettings } from "../parity/support/phases.js";
import { expectSameBits } from "../torch/sameBits.js";

describe("a gradient whose square overflows", () => {
  const leveled = (optimizer: "adamw" | "adamw8bit") => {
    const parameter = Parameter.of(torch.keep(torch.ones([4096])));
    const options = { ...planSettings({ optimizer, learningRate: 1e-3, schedule: "constant" }), steps: 9 };
    return new Level([new TrainedTensor("w", parameter, "direction", true)], options);
  };

  test.each(["adamw", "adamw8bit"] as const)("is refused by %s, and nothing has changed", (optimizer) => {
    const level = leveled(optimizer);
    const step = (size: number) => level.update(checkGradients([torch.full([4096], size, { dtype: "float32" })]));
    step(1);
    const before = [...level.tensors(), ...level.save().tensors.values()].map((tensor) => torch.clone(tensor));
    expect(() => step(1e22)).toThrow(/^w\.(exp_avg_sq|absmax2) is no longer finite: use a smaller --learning-rate/);
    const after = [...level.tensors(), ...level.save().tensors.values()];
    for (const [i, tensor] of after.entries()) expectSameBits(tensor, before[i]!);
    expect(level.stepsDone).toBe(1);
  });
});
