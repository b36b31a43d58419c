import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../../src/formats/checkpoint.js";
import { trainEverything } from "../../src/models/adapters/fullTraining.js";
import { type LoadedModel, loadModel } from "../../src/models/index.js";
import { EVALUATION, LayerNorm } from "../../src/models/nn/index.js";
import { inferTask } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { headFor, ownHead } from "../models/ownHead.js";
import { differentiable } from "../torch/operators/passes.js";
import { goldenLoss } from "./goldenBatch.js";
import { expectClose, families, GOLDEN, get, goldenInput, manifest, readTensors } from "./goldenFiles.js";

async function load(folder: string, dtype: torch.DType = "float32"): Promise<LoadedModel> {
  const checkpoint = openCheckpoint(folder);
  const hasHead = inferTask(checkpoint.config) !== undefined;
  const head = hasHead ? ownHead(checkpoint.config) : headFor("token-classification", 2);
  const loaded = await loadModel(checkpoint, { ...head, dtype, generator: new torch.Generator(1) });
  checkpoint.close();
  return loaded;
}

const cases = families.flatMap((family) => manifest(family).forward.map((entry) => ({ family, ...entry })));

describe.each(cases)("$family: checkpoint $checkpoint, rows $rows", ({ family, checkpoint, head, file }) => {
  const golden = readTensors(join(GOLDEN, family, file));
  const folder = join(GOLDEN, family, checkpoint);

  test.each([
    ["float32", "kernels", false, 1e-5],
    ["float32", "formulas that are differentiated twice", true, 1e-5],
    ["float64", "kernels", false, 1e-5],
    ["bfloat16", "kernels", false, 0.05],
  ] as const)("in %s with %s", async (dtype, _, isTwice, tolerance) => {
    const { model, initialized } = await load(folder, dtype);
    const input = goldenInput(golden);
    for (const [i, state] of differentiable(isTwice, () => model.hiddenStates(input, EVALUATION)).entries()) {
      if (checkpoint === "lm-other") continue;
      expectClose(state, get(golden, `hidden.${i}`), tolerance, `hidden state ${i}`);
    }
    expect(initialized).toEqual(head === "none" ? ["classifier"] : []);
    if (head === "none") return;
    const logits = differentiable(isTwice, () => model.forward(input, EVALUATION));
    expect(logits.dtype).toBe(head === "lm" || dtype === "float64" ? dtype : "float32");
    expectClose(logits, get(golden, "logits"), tolerance, "logits");
    if (dtype !== "float32") return;
    expectClose(goldenLoss(head, golden, logits), get(golden, "loss"), tolerance, "loss");
  });
});

test.each(families.filter((family) => manifest(family).fullGradient))(
  "%s: the gradient of every parameter",
  async (family) => {
    const { checkpoint, batch, file } = manifest(family).fullGradient!;
    const golden = readTensors(join(GOLDEN, family, batch));
    const gradients = readTensors(join(GOLDEN, family, file));
    const { model } = await load(join(GOLDEN, family, checkpoint));
    const parameters = Array.from(model.namedParameters());
    for (const [, parameter] of parameters) parameter.tensor.setRequiresGrad(true);

    const logits = model.forward(goldenInput(golden), EVALUATION);
    torch.backward(goldenLoss("single", golden, logits));

    expect(parameters.map(([path]) => path).sort()).toEqual(
      Array.from(gradients.keys(), (name) => name.slice(5)).sort(),
    );
    for (const [path, parameter] of parameters) {
      const expected = get(gradients, `grad.${path}`);
      if (path.endsWith("key.bias"))
        expect(Math.max(...parameter.tensor.grad!.toArray().map(Math.abs))).toBeLessThan(1e-7);
      else expectClose(parameter.tensor.grad!, expected, 2e-5, path);
    }
  },
);

/** `get_decay_parameter_names` of transformers' Trainer: these names, and every parameter of a LayerNorm. */
const SPARED = /bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)/i;

test.each(families)(
  "%s: weight decay applies to the parameters that transformers' Trainer lets decay",
  async (family) => {
    const checkpoints = new Set(manifest(family).forward.map(({ checkpoint }) => checkpoint));
    for (const checkpoint of checkpoints) {
      const { model } = await load(join(GOLDEN, family, checkpoint));
      const modules = new Map(model.baseModules());
      const { trained } = trainEverything(model);
      const isSpared = (name: string): boolean =>
        SPARED.test(name) || modules.get(name.slice(0, name.lastIndexOf("."))) instanceof LayerNorm;
      expect(trained.map(({ name, decays }) => [name, decays])).toEqual(
        trained.map(({ name }) => [name, !isSpared(name)]),
      );
    }
  },
);
