import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../../src/formats/checkpoint.js";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { loadModel, modelInput } from "../../../src/models/index.js";
import { EVALUATION } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { prepare } from "../../../src/training/run/prepare.js";
import { startOf } from "../../../src/training/run/runInputs.js";
import { ownHead } from "../../models/ownHead.js";
import { tokenRows } from "../../parity/goldenFiles.js";
import { abortAfter, BERT, bytes, fresh, ROWS, run, SMALL } from "../support.js";

const CHECKPOINT = join(BERT, "single");
const STILL = { learningRate: 0, maxSteps: 2 } as const;
const DTYPES = ["float32", "bfloat16"] as const;

/** Each tensor's bytes in float32, by name. */
function valuesIn(folder: string, file = "model.safetensors"): Map<string, string> {
  const opened = openSafetensors(join(folder, file));
  try {
    const hex = (name: string) =>
      Buffer.from(torch.scope(() => torch.to(opened.readTensor(name), "float32").bytes())).toString("hex");
    return new Map(opened.names.map((name) => [name, hex(name)]));
  } finally {
    opened.close();
  }
}

function bfloat16Copy(): string {
  const folder = fresh("bfloat16");
  cpSync(CHECKPOINT, folder, { recursive: true });
  const opened = openSafetensors(join(CHECKPOINT, "model.safetensors"));
  const tensors = opened.names.map((name) => [name, torch.to(opened.readTensor(name), "bfloat16")] as const);
  opened.close();
  saveSafetensors(join(folder, "model.safetensors"), tensors, { format: "pt" });
  return folder;
}

describe.each(DTYPES)("with learning rate 0, computing in %s", (dtype) => {
  test("full fine-tuning saves the checkpoint's values unchanged, whatever their dtype", async () => {
    for (const model of [CHECKPOINT, bfloat16Copy()]) {
      const { output } = await run({ ...STILL, model, method: "full", dtype });
      expect(valuesIn(output)).toEqual(valuesIn(model));
    }
  });

  test.each(["lora", "dora", "bidora"] as const)("%s saves the checkpoint's head unchanged", async (method) => {
    const { output } = await run({ ...STILL, method, dtype });
    const [saved, own] = [valuesIn(output, "adapter_model.safetensors"), valuesIn(CHECKPOINT)];
    for (const name of ["classifier.weight", "classifier.bias"])
      expect(saved.get(`base_model.model.${name}`), name).toBe(own.get(name));
  });

  test.each(["lora-bias-all", "lora-embedding", "dora", "dora-embedding"])(
    "the adapter %s is saved unchanged",
    async (name) => {
      const adapter = join(BERT, "adapters", name);
      const { output } = await run({ ...STILL, dtype, method: name.startsWith("dora") ? "dora" : "lora", adapter });
      const [saved, own] = [output, adapter].map((folder) => valuesIn(folder, "adapter_model.safetensors"));
      for (const [key, value] of saved!) expect(value, key).toBe(own!.get(key));
    },
  );
});

test("full fine-tuning in bfloat16 has the forward pass of the bfloat16 checkpoint, and float32 gradients", async () => {
  const input = modelInput(tokenRows([4, 2], [2, 9, 30, 3, 2, 3]));
  const open = async (dtype: (typeof DTYPES)[number]) => {
    const head = ownHead(readConfig(CHECKPOINT));
    return (await loadModel(CHECKPOINT, { ...head, dtype, generator: new torch.Generator(0) })).model;
  };
  const flags = { ...SMALL, method: "full", dtype: "bfloat16", output: fresh() } as const;
  const prepared = await prepare(await startOf({ flags }));
  const contexts = [EVALUATION, { masks: undefined }];
  for (const context of contexts) {
    const logits = prepared.loaded.model.forward(input, context);
    expect(logits.toArray()).toEqual((await open("bfloat16")).forward(input, EVALUATION).toArray());
    expect(logits.toArray()).not.toEqual((await open("float32")).forward(input, EVALUATION).toArray());
  }
  const trained = prepared.adapted.trained.map(({ tensor }) => tensor);
  const loss = torch.sum(torch.tanh(prepared.loaded.model.forward(input, contexts[1]!)));
  const gradients = torch.grad([loss], trained);
  for (const gradient of gradients) expect(gradient!.dtype).toBe("float32");
  for (const tensor of trained) expect(tensor.dtype).toBe("float32");
});

test("full fine-tuning in bfloat16 resumes to the same bits", async () => {
  const settings = { method: "full", dtype: "bfloat16", validation: join(ROWS, "pairs.jsonl"), evalEvery: 2 } as const;
  const whole = await run(settings);
  const output = fresh();
  await run({ ...settings, output }, abortAfter(2));
  const resumed = await run({ ...settings, output, resume: true });
  expect(bytes(output, "model.safetensors")).toBe(bytes(whole.output, "model.safetensors"));
  expect(resumed.metrics).toEqual(whole.metrics);
});
