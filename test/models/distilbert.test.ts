import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import { ARCHITECTURES } from "../../src/models/architectures.js";
import { type LoadedModel, loadModel, modelInput } from "../../src/models/index.js";
import { type Dropout, EVALUATION } from "../../src/models/nn/index.js";
import { encodeExamples, TASKS, type TaskKind } from "../../src/tasks/index.js";
import { loadTokenizer } from "../../src/text/index.js";
import * as torch from "../../src/torch/index.js";
import { GOLDEN, goldenRows, readTensors } from "../parity/goldenFiles.js";
import { type Changes, changedCheckpoint } from "./checkpoints.js";
import { headFor } from "./ownHead.js";

function load(changes: Changes = {}, kind: TaskKind = "sequence-classification", outputs = 3): Promise<LoadedModel> {
  const checkpoint = changedCheckpoint("distilbert/single", changes);
  return loadModel(checkpoint, { ...headFor(kind, outputs), dtype: "float32", generator: new torch.Generator(5) });
}

function backboneOf({ model }: LoadedModel): Record<string, number[]> {
  const own = Array.from(model.namedParameters()).filter(([path]) => path.startsWith("distilbert."));
  return Object.fromEntries(own.map(([path, { tensor }]) => [path, tensor.toArray()]));
}

const parse = (config: JsonObject) => ARCHITECTURES.distilbert.parseConfig({ model_type: "distilbert", ...config });

test("missing settings have transformers' defaults", () => {
  expect(parse({})).toEqual({
    vocabSize: 30522,
    hiddenSize: 768,
    layers: 6,
    heads: 12,
    intermediateSize: 3072,
    activation: "gelu",
    layerNormEpsilon: 1e-12,
    hiddenDropout: 0.1,
    attentionDropout: 0.1,
    classifierDropout: 0.1,
    seqClassifDropout: 0.2,
    qaDropout: 0.1,
    positions: 512,
    maxTokens: 512,
    typeVocabSize: 0,
    padTokenId: 0,
    initializerRange: 0.02,
  });
});

test("BERT's names of sizes take precedence over DistilBERT's, as in transformers", () => {
  const sizes = { hidden_size: 48, num_attention_heads: 4, num_hidden_layers: 2 };
  expect(parse(sizes)).toMatchObject({ hiddenSize: 48, heads: 4, layers: 2 });
  expect(parse({ dim: 72, n_heads: 3, n_layers: 5, ...sizes })).toMatchObject({ hiddenSize: 48, heads: 4, layers: 2 });
});

test.each([
  ["sequence-classification", 3, 0.25],
  ["token-classification", 5, 0.5],
  ["question-answering", 2, 0.75],
] as const)("the dropout of the head %s", async (kind, outputs, p) => {
  const config = { seq_classif_dropout: 0.25, dropout: 0.5, qa_dropout: 0.75 };
  const { model } = await load({ config }, kind, outputs);
  const dropout = new Map(model.namedModules()).get("dropout");
  expect((dropout as Dropout).p).toBe(p);
});

test("token types from the tokenizer are ignored", async () => {
  const { model } = await load();
  const rows = goldenRows(readTensors(join(GOLDEN, "distilbert/forward/single-pairs.safetensors")));
  const typed = rows.map(({ inputIds }) => ({ inputIds, tokenTypeIds: inputIds.map((_, i) => i % 2) }));
  const logits = model.forward(modelInput(rows), EVALUATION).toArray();
  expect(model.forward(modelInput(typed), EVALUATION).toArray()).toEqual(logits);

  const tokenizer = await loadTokenizer(join(GOLDEN, "bert/single"));
  const examples = [{ input: ["a map", "the boat"] as const, label: undefined, at: { file: "here", line: 1 } }];
  const options = { labels: undefined, maxLength: 20, model: model.config };
  const encoded = await encodeExamples(TASKS["sequence-classification"], examples, tokenizer, options);
  expect(encoded[0]?.tokenTypeIds).toContain(1);
});

test("loads a bare model, and a masked language model with its additional weights", async () => {
  const expected = backboneOf(await load());
  const bare = await load({
    rename: (name) => (name.startsWith("distilbert.") ? name.slice("distilbert.".length) : undefined),
  });
  const masked = await load({
    rename: (name) => name.replace("pre_classifier", "vocab_transform").replace(/^classifier/, "vocab_projector"),
  });
  for (const loaded of [bare, masked]) {
    expect(backboneOf(loaded)).toEqual(expected);
    expect(loaded.initialized).toEqual(["pre_classifier", "classifier"]);
    expect(loaded.trainedModules).toEqual(["pre_classifier", "classifier"]);
  }
});

test("a sinusoidal position table is read from the checkpoint", async () => {
  expect(backboneOf(await load({ config: { sinusoidal_pos_embds: true } }))).toEqual(backboneOf(await load()));
});

test.each<[Changes, RegExp]>([
  [{ config: { n_heads: 5 } }, /config\.json: dim \(36\) must be a multiple of n_heads \(5\), but is not\.$/],
  [{ config: { n_layers: 1e6 } }, /it has 1000000 layers, but the checkpoint has only \d+ tensors/],
  [{ config: { hidden_dim: 50 } }, /layer\.0\.ffn\.lin1\.weight in .* has shape \[52, 36\], but .* \[50, 36\]\.$/],
  [{ config: { dropout: 2 } }, /config\.json: dropout must be a probability, but is 2\.$/],
  [
    { rename: (name) => (name.endsWith("2.sa_layer_norm.bias") ? undefined : name) },
    /lacks the weight distilbert\.transformer\.layer\.2\.sa_layer_norm\.bias; looked for distilbert\.\S+, transformer\.\S+\.$/,
  ],
])("refuses %o", async (changes, message) => {
  await expect(load(changes)).rejects.toThrow(message);
});
