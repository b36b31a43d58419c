import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { BidoraError } from "../../src/base/errors.js";
import { type EncodedExample, TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { planPhases } from "../../src/training/loop/plans.js";
import { GradientOverflow, LossScale } from "../../src/training/steps/lossScale.js";
import { takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { openAdapted } from "../parity/support/adapted.js";
import { planSettings } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";
import { expectSameBits } from "../torch/sameBits.js";

interface Golden {
  readonly start: number;
  /** Whether the gradients of some steps are finite, the number of these steps, and the scale after them. */
  readonly runs: readonly (readonly [isFinite: boolean, count: number, scale: number])[];
}

const golden = JSON.parse(readFileSync(new URL("../golden/optim/scaler.json", import.meta.url), "utf8")) as Golden;

test("the scale is GradScaler's after every step", () => {
  const scaler = new LossScale();
  expect(scaler.scale).toBe(golden.start);
  for (const [finite, count, scale] of golden.runs) {
    for (let i = 0; i < count; i++) scaler.update(finite);
    expect(scaler.scale).toBe(scale);
  }
});

test("the scale grows up to float32's largest power of two", () => {
  const scaler = new LossScale();
  scaler.restore({ scale: 2 ** 127, finiteSteps: 1999 });
  scaler.update(true);
  expect(scaler.state).toEqual({ scale: 2 ** 127, finiteSteps: 0 });
});

describe("gradients that are not finite", () => {
  const fail = () => {
    throw new BidoraError("LOSS_NOT_FINITE", "The gradient's norm is infinite.");
  };

  test.each([
    [4, GradientOverflow],
    [2, GradientOverflow],
    [1, BidoraError],
    [0.5, BidoraError],
  ])("at the scale %s halve it", (scale, type) => {
    const scaler = new LossScale();
    scaler.restore({ scale, finiteSteps: 7 });
    expect(() => scaler.guard(fail)).toThrow(type);
    expect(scaler.state).toEqual({ scale: scale / 2, finiteSteps: 0 });
  });

  test("are distinguished from other errors", () => {
    const scaler = new LossScale();
    const other = () => {
      throw new TypeError("another");
    };
    expect(() => scaler.guard(other)).toThrow(new TypeError("another"));
    expect(scaler.guard(() => 3)).toBe(3);
    expect(scaler.state).toEqual({ scale: 65536, finiteSteps: 0 });
  });
});

describe("a step of a rule in float16", () => {
  const CASE = { checkpoint: "single", adapter: "adapters/lora", rows: "train", maxLength: 20 };
  let rows: EncodedExample[];
  beforeAll(async () => {
    rows = await encodeRows("bert", CASE);
  });

  /** @param ranks whose sums are those of several processes */
  async function open(ranks: torch.Ranks = torch.ALONE) {
    const { model, adapted } = await openAdapted("bert", CASE);
    const setup = {
      ...{ model, adapted, rows, task: TASKS["sequence-classification"], ranks },
      masks: new ReplayableMasks(new torch.Generator(0)),
      start: takeSnapshot(adapted.trained),
    };
    const settings = { method: "lora", batchSize: 4, maxSteps: 3, learningRate: 1e-2, dtype: "float16" } as const;
    return { adapted, start: setup.start, rule: planPhases(setup, planSettings(settings))[0]!.begin() };
  }

  test("is skipped if a gradient of another rank is infinite: only the scale and the place in the data change", async () => {
    const sum = (tensors: readonly torch.Tensor[]) =>
      tensors.map((tensor, i) =>
        i === tensors.length - 1 ? torch.addScalar(tensor, Number.POSITIVE_INFINITY) : tensor,
      );
    const { rule, adapted, start } = await open({
      ...torch.ALONE,
      startSum: (inputs) => torch.sumAtTheEnd(sum, inputs),
    });
    expect(() => torch.scope(() => rule.step())).toThrow(GradientOverflow);
    expect(rule.save().values).toEqual({
      steps: 0,
      batches: { pass: 0, index: 1 },
      lossScale: { scale: 32768, finiteSteps: 0 },
    });
    for (const { name, tensor } of adapted.trained) expectSameBits(tensor, start.get(name)!, name);
  });

  test("counts towards the growth of the scale, which a restored rule continues", async () => {
    const { rule } = await open();
    torch.scope(() => rule.step());
    expect(rule.save().values).toMatchObject({ lossScale: { scale: 65536, finiteSteps: 1 } });
    const { values } = rule.save();
    rule.restore({ tensors: rule.save().tensors, values: { ...values, lossScale: { scale: 8, finiteSteps: 1999 } } });
    torch.scope(() => rule.step());
    expect(rule.save().values).toMatchObject({ lossScale: { scale: 16, finiteSteps: 0 } });
  });
});
