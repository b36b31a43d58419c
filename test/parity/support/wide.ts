import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject, JsonValue } from "../../../src/base/records/json.js";
import { readConfig } from "../../../src/formats/checkpoint.js";
import { saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import {
  architectureOf,
  buildModel,
  type LoadModelOptions,
  loadModel,
  type TaskModel,
} from "../../../src/models/index.js";
import * as torch from "../../../src/torch/index.js";
import { ownHead } from "../../models/ownHead.js";
import { GOLDEN } from "../goldenFiles.js";

const HEADS = 8;

/** Sizes whose matrices have rows of whole blocks, under the names of any family. */
const SIZES: Readonly<Record<string, number>> = {
  hidden_size: 64,
  n_embd: 64,
  dim: 64,
  pooler_hidden_size: 64,
  intermediate_size: 96,
  n_inner: 96,
  hidden_dim: 96,
  head_dim: 64 / HEADS,
  num_attention_heads: HEADS,
  n_head: HEADS,
  n_heads: HEADS,
  num_key_value_heads: 2,
};

const widened = (key: string, value: JsonValue): JsonValue => (value === null ? null : (SIZES[key] ?? value));

/** Writes a golden checkpoint's architecture with wider layers and random weights; its head, vocabulary and dropout are the golden one's. */
export function wideFolder(folder: string, family: string, checkpoint: string): string {
  const golden = readConfig(join(GOLDEN, family, checkpoint));
  const entries = Object.entries(golden).map(([key, value]) => [key, widened(key, value as JsonValue)] as const);
  const json = Object.fromEntries(entries) as JsonObject;
  const { head, outputs } = ownHead(json);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(json));
  torch.scope(() => {
    const model = buildModel(architectureOf(json), json, head, outputs);
    const generator = new torch.Generator(4);
    const tensors = Array.from(model.namedParameters(), ([path, { storedShape: shape }]) => {
      const isScale = shape.length === 1 && /norm.*weight$/i.test(path);
      const drawn = torch.normal_(torch.empty(shape), isScale ? 1 : 0, 0.15, { generator });
      return [path, drawn] as const;
    });
    saveSafetensors(join(folder, "model.safetensors"), tensors, { format: "pt" });
  });
  return folder;
}

/** A packed model, and the same in tensors that hold the decoded values. */
export async function twins(
  folder: string,
  dtype: torch.DType = "float32",
  baseDtype: LoadModelOptions["baseDtype"] = "q8_0",
): Promise<{ readonly quantized: TaskModel; readonly dense: TaskModel }> {
  const options = (): LoadModelOptions => ({
    ...ownHead(readConfig(folder)),
    dtype,
    baseDtype,
    generator: new torch.Generator(0),
  });
  const [{ model: quantized }, { model: dense }] = [
    await loadModel(folder, options()),
    await loadModel(folder, options()),
  ];
  for (const [, parameter] of dense.namedParameters())
    if (!parameter.values.isDense) parameter.fill(torch.keep(torch.clone(parameter.values.dense())));
  return { quantized, dense };
}
