import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import { ARCHITECTURES } from "../../src/models/architectures.js";
import { type Architecture, buildModel, type LoadedModel, loadModel } from "../../src/models/index.js";
import { type Dropout, EVALUATION, type MaskSource } from "../../src/models/nn/index.js";
import { TASKS, type TaskKind } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { GOLDEN, goldenInput, readTensors } from "../parity/goldenFiles.js";
import { type Changes, changedCheckpoint } from "./checkpoints.js";
import { headFor } from "./ownHead.js";

const SEQUENCE: TaskKind = "sequence-classification";

function load(changes: Changes = {}): Promise<LoadedModel> {
  const checkpoint = changedCheckpoint("electra/single", changes);
  return loadModel(checkpoint, { ...headFor(SEQUENCE, 3), dtype: "float32", generator: new torch.Generator(5) });
}

function backboneOf({ model }: LoadedModel): Record<string, number[]> {
  const own = Array.from(model.namedParameters()).filter(([path]) => path.startsWith("electra."));
  return Object.fromEntries(own.map(([path, { tensor }]) => [path, tensor.toArray()]));
}

const electra: Architecture = ARCHITECTURES.electra;

test("missing settings have transformers' defaults", () => {
  const config = electra.parseConfig({ model_type: "electra", hidden_size: null });
  expect(config).toMatchObject({
    vocabSize: 30522,
    embeddingSize: 128,
    hiddenSize: 256,
    layers: 12,
    heads: 4,
    intermediateSize: 1024,
    activation: "gelu",
    layerNormEpsilon: 1e-12,
    classifierDropout: 0.1,
    maxTokens: 512,
    typeVocabSize: 2,
    padTokenId: 0,
  });
});

test.each([
  [24, true],
  [36, false],
])("embeddings of size %i beside hidden states of 36: is there a projection? %s", (size, isThere) => {
  const config: JsonObject = { hidden_size: 36, num_attention_heads: 3, num_hidden_layers: 1, embedding_size: size };
  const model = buildModel(electra, config, TASKS[SEQUENCE].head, 2);
  const shapes = new Map(Array.from(model.namedParameters(), ([path, { shape }]) => [path, shape]));
  expect(shapes.get("electra.embeddings_project.weight")).toEqual(isThere ? [36, 24] : undefined);
  expect(shapes.get("electra.embeddings.LayerNorm.weight")).toEqual([size]);
});

test("the sequence head has dropout before both layers; the question-answering head has none", async () => {
  const uses: unknown[] = [];
  const masks: MaskSource = { draw: (dropout) => ({ seed: 1, stream: uses.push(dropout) }) };
  const context = { ...EVALUATION, masks };
  const input = goldenInput(readTensors(join(GOLDEN, "electra/forward/single-texts.safetensors")));
  const { model } = await load({ config: { classifier_dropout: 0.5 } });
  model.forward(input, context);
  const head = new Map(model.namedModules()).get("classifier.dropout");
  expect(uses).toEqual([head, head]);
  expect((head as Dropout).p).toBe(0.5);

  uses.length = 0;
  const questions = changedCheckpoint("electra/single", { config: { classifier_dropout: 0.5 } });
  const options = { ...headFor("question-answering", 2), dtype: "float32", generator: new torch.Generator(5) } as const;
  (await loadModel(questions, options)).model.forward(input, context);
  expect(uses).toEqual([]);
});

test("loads a bare model, and a discriminator with its additional weights", async () => {
  const expected = backboneOf(await load());
  const bare = await load({ rename: (name) => (/^electra\./.test(name) ? name.slice("electra.".length) : undefined) });
  const discriminator = await load({
    rename: (name) => name.replace(/^classifier\./, "discriminator_predictions."),
  });
  for (const loaded of [bare, discriminator]) {
    expect(backboneOf(loaded)).toEqual(expected);
    expect(loaded.initialized).toEqual(["classifier.dense", "classifier.out_proj"]);
    expect(loaded.trainedModules).toEqual(["classifier"]);
  }
});

test.each<[Changes, RegExp]>([
  [{ config: { num_attention_heads: 5 } }, /hidden_size \(36\) must be a multiple of num_attention_heads \(5\)/],
  [{ config: { embedding_size: 25 } }, /word_embeddings\.weight in .* has shape \[117, 24\], but .* \[117, 25\]\.$/],
  [{ config: { is_decoder: true } }, /is_decoder true is not supported/],
  [
    { rename: (name) => (name === "electra.embeddings_project.bias" ? undefined : name) },
    /lacks the weight electra\.embeddings_project\.bias; looked for electra\.\S+, embeddings_project\.bias\.$/,
  ],
])("refuses %o", async (changes, message) => {
  await expect(load(changes)).rejects.toThrow(message);
});
