// A layer of Llama-2-7B's shape in nf4: hidden states and gradients as transformers, bitsandbytes and PEFT have them.

import { join } from "node:path";
import { expect, test } from "vitest";
import type { Checkpoint } from "../../src/formats/checkpoint.js";
import { inject, loraConfig } from "../../src/models/adapters/index.js";
import { architectureOf, buildModel, loadModel, modelInput } from "../../src/models/index.js";
import { PackedWeight } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { headFor } from "../models/ownHead.js";
import { GOLDEN } from "../support/golden.js";
import { expectClose, get, readTensors, tokenRows } from "./goldenFiles.js";

const LAYER = join(GOLDEN, "io/bitsandbytes/layer.safetensors");
const STRIDE = 61;
const TOLERANCE = 2e-5;
const HEAD = headFor("causal-lm", 0);
const CONFIG = {
  model_type: "llama",
  architectures: ["LlamaForCausalLM"],
  vocab_size: 8,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 1,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  max_position_embeddings: 32,
  rms_norm_eps: 1e-5,
};

/** As in make_layer.py. */
function drawn(name: string, shape: readonly number[], scale: number): torch.Tensor {
  const seed = Buffer.from(name).reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, 0);
  const values = new Float32Array(torch.numelOf(shape));
  for (let i = 0; i < values.length; i++) {
    let mixed = i ^ seed;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
    mixed ^= mixed >>> 16;
    values[i] = ((mixed >>> 0) / 2 ** 31 - 1) * scale;
  }
  return torch.tensor(values, shape);
}

/** A checkpoint with drawn weights, under transformers' names. */
function drawnCheckpoint(): Checkpoint {
  const parameters = buildModel(architectureOf(CONFIG), CONFIG, HEAD.head, 0).namedParameters();
  const shapes = new Map(Array.from(parameters, ([name, { shape }]) => [name, shape]));
  const unread = () => {
    throw new Error("not read as bytes");
  };
  return {
    folder: "drawn",
    config: CONFIG,
    files: [],
    names: [...shapes.keys()],
    has: (name) => shapes.has(name),
    info: (name) => ({ name, dtype: "F32", shape: shapes.get(name)!, begin: 0, end: 0 }),
    readBytes: unread,
    readTensor(name) {
      const shape = shapes.get(name)!;
      const own = name.replace(/^model\./, "");
      if (shape.length === 1) return torch.addScalar(drawn(own, shape, 0.1), 1);
      return drawn(own, shape, own.startsWith("embed") ? 1 : 0.03);
    },
    packed: () => undefined,
    close: () => undefined,
  };
}

const sampled = (tensor: torch.Tensor): torch.Tensor => {
  const values = tensor.toArray().filter((_, i) => i % STRIDE === 0);
  return torch.tensor(values, [values.length]);
};

test("hidden states, and the gradients of the input and of LoRA's matrices", async () => {
  const golden = readTensors(LAYER);
  const generator = new torch.Generator(0);
  const { model } = await loadModel(drawnCheckpoint(), { ...HEAD, dtype: "float32", baseDtype: "nf4", generator });
  const packed = Array.from(model.namedParameters()).filter(([, { values }]) => values instanceof PackedWeight);
  expect(packed.length).toBe(7);
  const { trained } = inject(model, loraConfig(), { generator });
  const nameOf = (name: string) => name.replace(/^model\./, "");
  torch.noGrad(() => {
    for (const { name, tensor } of trained) torch.copy_(tensor, drawn(nameOf(name), tensor.shape, 0.02));
  });
  const parameters = new Map(model.namedParameters());
  const table = parameters.get("model.embed_tokens.weight")!.tensor.setRequiresGrad(true);
  const hidden = model.backbone.forward(modelInput(tokenRows([5, 3], [0, 1, 2, 3, 4, 5, 6, 7])), { masks: undefined });
  expectClose(sampled(hidden), get(golden, "hidden"), TOLERANCE);
  const loss = torch.sum(torch.mul(hidden, drawn("loss", hidden.shape, 1)));
  const found = torch.grad([loss], [table, ...trained.map(({ tensor }) => tensor)]);
  const names = ["embeddings", ...trained.map(({ name }) => nameOf(name))];
  expect(names.length).toBe(golden.size - 1);
  for (const [i, name] of names.entries())
    expectClose(sampled(found[i]!), get(golden, `grad/${name}`), 10 * TOLERANCE, name);
}, 60_000);
