// Models whose packed products round their inputs to int8 as well, on processors with AMX.

import { join } from "node:path";
import { expect, test } from "vitest";
import { readConfig } from "../../src/formats/checkpoint.js";
import { inject, loraConfig } from "../../src/models/adapters/index.js";
import { type LoadModelOptions, loadModel, modelInput, type TaskModel } from "../../src/models/index.js";
import { EVALUATION } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { canRoundInputs } from "../../src/torch/operators/choose.js";
import { temporaryFolders } from "../formats/temporaryFolder.js";
import { wideFolder } from "../parity/support/wide.js";
import { ownHead } from "./ownHead.js";

const folders = temporaryFolders();
const canRound = canRoundInputs();

async function load(
  baseDtype: LoadModelOptions["baseDtype"],
  dtype: LoadModelOptions["dtype"] = "bfloat16",
): Promise<TaskModel> {
  const folder = wideFolder(join(folders(), "llama"), "llama", "single");
  const options = { ...ownHead(readConfig(folder)), dtype, baseDtype, generator: new torch.Generator(0) };
  return (await loadModel(folder, options)).model;
}

const ids = Array.from({ length: 40 }, (_, i) => 1 + ((i * 7) % 20));
const input = () => modelInput([{ inputIds: ids, tokenTypeIds: ids.map(() => 0) }]);

/** Logits, and the gradients of LoRA's factors. */
async function ran(baseDtype: LoadModelOptions["baseDtype"]) {
  const model = await load(baseDtype);
  const { trained } = inject(model, loraConfig({ rank: 4, alpha: 8 }), { generator: new torch.Generator(1) });
  const logits = torch.castTo(model.forward(input(), EVALUATION), "float32");
  const gradients = torch.grad(
    [torch.sum(torch.square(logits))],
    trained.map(({ tensor }) => tensor),
  );
  return [torch.detach(logits), ...gradients.map((gradient) => torch.castTo(gradient as torch.Tensor, "float32"))];
}

const norm = (x: torch.Tensor) => Math.sqrt(torch.sum(torch.square(x)).item());

test.runIf(canRound)("results are near those of int8, which doesn't round the inputs", async () => {
  const [rounded, plain] = [await ran("w8a8"), await ran("int8")];
  for (const [i, tensor] of rounded.entries()) {
    const distance =
      norm(torch.sub(tensor, plain[i] as torch.Tensor)) / Math.max(norm(plain[i] as torch.Tensor), 1e-30);
    expect(distance, `tensor ${i}`).toBeLessThan(0.1);
  }
  expect(norm(torch.sub(rounded[0] as torch.Tensor, plain[0] as torch.Tensor))).toBeGreaterThan(0);
});

test.runIf(canRound)("matrices whose rows don't fill lines of 64 bytes stay dense", async () => {
  const dense = [...(await load("w8a8")).namedParameters()].filter(
    ([path, { values }]) => values.isDense && path.endsWith("_proj.weight"),
  );
  expect(new Set(dense.map(([path]) => path.split(".").at(-2)))).toEqual(new Set(["down_proj"]));
});

test.runIf(canRound)("float32 is refused", async () => {
  await expect(load("w8a8", "float32")).rejects.toThrow("w8a8 needs dtype bfloat16 (--dtype), got float32.");
});

test.skipIf(canRound)("other processors, and formulas instead of kernels, are refused", async () => {
  await expect(load("w8a8")).rejects.toThrow(
    /^w8a8 needs a processor with AMX, got libtorch .*: take int8, which is as small\.$/,
  );
});
