import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { load } from "../../../src/app/commands/models/load.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { predict } from "../../../src/app/commands/models/predict.js";
import { BidoraError } from "../../../src/base/errors.js";
import type { RunEvent } from "../../../src/base/records/events.js";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { DenseWeight } from "../../../src/models/nn/index.js";
import { namingBadWeights } from "../../../src/models/notFinite.js";
import * as torch from "../../../src/torch/index.js";
import { BERT, fresh, GOLDEN, list, ROWS, run } from "../support.js";

const LAYER = "bert.encoder.layer.1";
const QUERY = `${LAYER}.attention.self.query.weight`;

/** A copy of a folder in which one value of one tensor is not a finite number. */
function damaged(folder: string, file: string, name: string, value = Number.NaN): string {
  const copy = fresh("damaged");
  cpSync(folder, copy, { recursive: true });
  const opened = openSafetensors(join(folder, file));
  const tensors = opened.names.map((key) => [key, opened.readTensor(key)] as const);
  opened.close();
  torch.fill_(torch.narrow(torch.flatten(new Map(tensors).get(name)!), 0, 2, 1), value);
  saveSafetensors(join(copy, file), tensors, { format: "pt" });
  return copy;
}

const damagedModel = (name: string, value?: number, folder = join(BERT, "single")) =>
  damaged(folder, "model.safetensors", name, value);
const adapterOf = (name: string) => join(BERT, "adapters", name);
const output = () => ({ output: fresh(), overwrite: false, revision: undefined });

describe("a checkpoint with a value that is not finite", () => {
  test.each([
    ["lora", QUERY, Number.NaN],
    ["dora", QUERY, Number.NaN],
    ["bidora", QUERY, Number.POSITIVE_INFINITY],
    ["dora", `${LAYER}.output.LayerNorm.bias`, Number.NaN],
    ["bidora", `${LAYER}.output.dense.bias`, Number.NaN],
    ["full", QUERY, Number.NaN],
    ["lora", "classifier.weight", Number.NaN],
  ] as const)("ends %s with an error that names %s", async (method, name, value) => {
    const model = damagedModel(name, value);
    const events: RunEvent[] = [];
    const running = run({ model, method }, { observers: [(event) => events.push(event)] });
    await expect(running).rejects.toThrow(new RegExp(`Step 1: .*own weights in ${model} .* in ${name};`));
    await expect(running).rejects.not.toThrow("--learning-rate");
    expect(events.at(-1)).toMatchObject({ event: "error", message: expect.stringContaining(name) });
  });

  test("is named by predict, merge and export", async () => {
    const model = damagedModel(QUERY);
    const given = { model, input: join(ROWS, "pairs.jsonl"), output: fresh() };
    const predicting = predict(given);
    await expect(predicting).rejects.toThrow(new RegExp(`line \\d+: .*own weights in ${model} .* in ${QUERY};`));
    for (const work of [
      merge,
      (all: Parameters<typeof merge>[0]) => exportModel({ ...all, to: "peft-lora", rank: undefined }),
    ]) {
      const all = { model, adapter: adapterOf("dora"), ...output() };
      await expect(work(all)).rejects.toThrow(new RegExp(`^The model's own weights in ${model} .* in ${QUERY};`));
      expect(list(all.output)).toEqual([]);
    }
  });

  test("is named by generation, streamed or not", async () => {
    const name = "model.layers.0.mlp.down_proj.weight";
    const folder = damagedModel(name, Number.NaN, join(GOLDEN, "generation", "llama"));
    using model = await load({ model: folder });
    const named = new RegExp(`own weights in ${folder} .* in ${name};`);
    await expect(model.generate("one")).rejects.toThrow(named);
    await expect(model.generate("one")[Symbol.asyncIterator]().next()).rejects.toThrow(named);
  });

  test("does not matter to an export that leaves it out, and is not copied by merge", async () => {
    const name = `${LAYER}.output.dense.weight`;
    const all = { model: damagedModel(name), adapter: adapterOf("dora") };
    await exportModel({ ...all, ...output(), to: "peft-lora", rank: undefined });
    await expect(merge({ ...all, ...output() })).rejects.toThrow(name);
  });
});

test("an adapter with a value that is not finite is refused with the tensor's name", async () => {
  const name = `base_model.model.${LAYER}.attention.self.query.lora_B.weight`;
  const adapter = damaged(adapterOf("dora"), "adapter_model.safetensors", name);
  const wanted = /The adapter's own tensor .*layer\.1\.attention\.self\.query\.lora_B\.weight/;
  await expect(run({ method: "dora", adapter })).rejects.toThrow(wanted);
  await expect(merge({ model: join(BERT, "single"), adapter, ...output() })).rejects.toThrow(wanted);
});

test("a loss that is not finite with finite weights keeps its own error message", async () => {
  const own = () => ({
    folder: "model",
    weights: [
      ["a", new DenseWeight(torch.ones([2]))],
      ["b", new DenseWeight(torch.empty([0]))],
    ] as const,
  });
  for (const error of [new BidoraError("LOSS_NOT_FINITE", "Step 2: …"), new BidoraError("OTHER", "…"), new Error("…")])
    await expect(namingBadWeights(own, () => Promise.reject(error))).rejects.toBe(error);
  expect(
    await namingBadWeights(
      () => expect.unreachable(),
      async () => 3,
    ),
  ).toBe(3);
  await expect(run({ learningRate: 1e30, maxSteps: 8 })).rejects.toThrow("--learning-rate");
});
