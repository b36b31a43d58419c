import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import { ARCHITECTURES } from "../../src/models/architectures.js";
import { type Architecture, buildModel, type LoadedModel, loadModel, modelInput } from "../../src/models/index.js";
import { type Dropout, EVALUATION, type MaskSource } from "../../src/models/nn/index.js";
import { TASKS, type TaskKind } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { GOLDEN, goldenInput, readTensors, relativeError, tokenRows } from "../parity/goldenFiles.js";
import { type Changes, changedCheckpoint } from "./checkpoints.js";
import { headFor } from "./ownHead.js";

const SEQUENCE: TaskKind = "sequence-classification";
const modernbert: Architecture = ARCHITECTURES.modernbert;

function load(changes: Changes = {}, kind = SEQUENCE, folder = "modernbert/single"): Promise<LoadedModel> {
  const checkpoint = changedCheckpoint(folder, changes);
  const outputs = kind === "question-answering" ? 2 : 3;
  return loadModel(checkpoint, { ...headFor(kind, outputs), dtype: "float32", generator: new torch.Generator(5) });
}

const parse = (config: JsonObject) =>
  modernbert.parseConfig({ vocab_size: 50368, ...config }) as unknown as Record<string, unknown> & {
    ropes: Record<string, { frequencies(length: number): Float32Array }>;
  };
const texts = () => goldenInput(readTensors(join(GOLDEN, "modernbert/forward/single-texts.safetensors")));

test("missing settings have transformers' defaults", () => {
  const { ropes, layerTypes, ...config } = parse({});
  expect(config).toEqual({
    vocabSize: 50368,
    hiddenSize: 768,
    layers: 22,
    heads: 12,
    intermediateSize: 1152,
    activation: "gelu",
    normEpsilon: 1e-5,
    normBias: false,
    attentionBias: false,
    mlpBias: false,
    embeddingDropout: 0,
    attentionDropout: 0,
    mlpDropout: 0,
    maxTokens: 8192,
    typeVocabSize: 0,
    padTokenId: 50283,
    initializerRange: 0.02,
    reach: 64,
    classifierDropout: 0,
    pooling: "first",
    classifierBias: false,
    classifierActivation: "gelu",
    initializerCutoff: 2,
  });
  expect(ropes.full_attention!.frequencies(9)[1]).toBeCloseTo(160000 ** (-1 / 32), 6);
  expect(ropes.sliding_attention!.frequencies(9)[1]).toBeCloseTo(10000 ** (-1 / 32), 6);
  const full = (layerTypes as string[]).flatMap((type, i) => (type === "full_attention" ? [i] : []));
  expect(full).toEqual([0, 3, 6, 9, 12, 15, 18, 21]);
});

test("older and newer keys for layer types and RoPE", () => {
  const small = { hidden_size: 32, num_attention_heads: 8, num_hidden_layers: 3 };
  const own = (theta: number) => ({ rope_type: "default", rope_theta: theta });
  const spellings: JsonObject[] = [
    { global_attn_every_n_layers: 2, global_rope_theta: 16, local_rope_theta: 64 },
    {
      layer_types: ["full_attention", "sliding_attention", "full_attention"],
      rope_parameters: { full_attention: own(16), sliding_attention: own(64) },
      rope_theta: 3,
    },
    {
      global_attn_every_n_layers: 2,
      global_rope_theta: 16,
      rope_parameters: { sliding_attention: { rope_theta: 64 } },
    },
  ];
  for (const spelling of spellings) {
    const { layerTypes, ropes } = parse({ ...small, ...spelling });
    expect(layerTypes).toEqual(["full_attention", "sliding_attention", "full_attention"]);
    expect([...ropes.full_attention!.frequencies(9)]).toEqual([1, 0.25]);
    expect([...ropes.sliding_attention!.frequencies(9)]).toEqual([1, 0.125]);
  }
  const scaled = parse({ ...small, global_rope_theta: 16, rope_scaling: { rope_type: "linear", factor: 2 } });
  expect([...scaled.ropes.full_attention!.frequencies(9)]).toEqual([0.5, 0.125]);
  expect([...scaled.ropes.sliding_attention!.frequencies(9)].map((f) => f.toFixed(4))).toEqual(["0.5000", "0.0050"]);
});

// With one layer, a token's state depends on another token exactly if it attends to it.
test.each([
  [{ local_attention: 7 }, 3],
  [{ local_attention: 6 }, 3],
  [{ local_attention: 1 }, 0],
  [{ local_attention: 6, sliding_window: 2 }, 2], // from transformers 5.24, which sets local_attention to 4
])("of a window of %j a token sees %i on either side", async (window, reach) => {
  const config = { num_hidden_layers: 1, layer_types: ["sliding_attention"], ...window };
  const { model } = await load({ config });
  const states = (ids: number[]) => {
    const last = model.hiddenStates(modelInput(tokenRows([9], ids)), EVALUATION)[1] as torch.Tensor;
    return Array.from({ length: 9 }, (_, i) => torch.narrow(last, 0, i, 1).toArray());
  };
  const ids = [2, 30, 31, 32, 33, 34, 35, 36, 3];
  const [before, after] = [states(ids), states(ids.with(4, 40))];
  const changed = before.flatMap((state, i) => (state.some((value, j) => value !== after[i]![j]) ? [i - 4] : []));
  expect(changed).toEqual(Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach));
});

test("layers have biases if the configuration says so", () => {
  const small = { hidden_size: 32, num_attention_heads: 4, num_hidden_layers: 2, vocab_size: 60, pad_token_id: 0 };
  const biases = (config: JsonObject) => {
    const model = buildModel(modernbert, { ...small, ...config }, TASKS[SEQUENCE].head, 2);
    return [...model.namedParameters()]
      .map(([path]) => path)
      .filter((path) => /bias$/.test(path) && !/layers\.0/.test(path));
  };
  const layer = "model.layers.1";
  expect(biases({})).toEqual(["classifier.bias"]);
  expect(biases({ attention_bias: true })).toEqual([
    `${layer}.attn.Wqkv.bias`,
    `${layer}.attn.Wo.bias`,
    "classifier.bias",
  ]);
  expect(biases({ mlp_bias: true })).toEqual([`${layer}.mlp.Wi.bias`, `${layer}.mlp.Wo.bias`, "classifier.bias"]);
  expect(biases({ classifier_bias: true })).toEqual(["head.dense.bias", "classifier.bias"]);
  expect(biases({ norm_bias: true })).toEqual(
    [
      "model.embeddings.norm",
      `${layer}.attn_norm`,
      `${layer}.mlp_norm`,
      "model.final_norm",
      "head.norm",
      "classifier",
    ].map((path) => `${path}.bias`),
  );
});

test("each dropout is in the right place", async () => {
  const uses: unknown[] = [];
  const masks: MaskSource = { draw: (dropout) => ({ seed: 1, stream: uses.push(dropout) }) };
  const probabilities = { embedding_dropout: 0.1, attention_dropout: 0.2, mlp_dropout: 0.3, classifier_dropout: 0.4 };
  const config = { ...probabilities, num_hidden_layers: 1, layer_types: ["full_attention"] };
  const { model } = await load({ config });
  model.forward(texts(), { ...EVALUATION, masks });
  const paths = new Map(Array.from(model.namedModules(), ([path, module]) => [module as unknown, path]));
  expect(uses.map((dropout) => [paths.get(dropout), (dropout as Dropout).p])).toEqual([
    ["model.embeddings.drop", 0.1],
    ["model.layers.0.attn.dropout", 0.2],
    ["model.layers.0.attn.out_drop", 0.2],
    ["model.layers.0.mlp.drop", 0.3],
    ["drop", 0.4],
  ]);
});

test("only the sequence head uses mean pooling", async () => {
  const config = { classifier_pooling: "mean" };
  const outputs = async (kind: TaskKind, changes: Changes) =>
    (await load(changes, kind)).model.forward(texts(), EVALUATION);
  const [first, mean] = [await outputs(SEQUENCE, {}), await outputs(SEQUENCE, { config })];
  expect(relativeError(mean, first)).toBeGreaterThan(1e-3);
  const tokens = await outputs("token-classification", {});
  expect((await outputs("token-classification", { config })).toArray()).toEqual(tokens.toArray());
});

test("the head of a masked language model is kept; a missing one is initialized, its norm with 1", async () => {
  const masked = await load({ rename: (name) => name.replace(/^classifier\./, "decoder.") });
  expect(masked.initialized).toEqual(["classifier"]);
  expect(masked.trainedModules).toEqual(["classifier"]);
  const bare = await load({ rename: (name) => (/^model\./.test(name) ? name.slice("model.".length) : undefined) });
  expect(bare.initialized).toEqual(["head.dense", "head.norm", "classifier"]);
  expect(bare.trainedModules).toEqual(["head", "classifier"]);
  const norm = new Map(bare.model.namedParameters()).get("head.norm.weight")!.tensor;
  expect(new Set(norm.toArray())).toEqual(new Set([1]));
  const kept = new Map(masked.model.namedParameters()).get("head.norm.weight")!.tensor;
  expect(new Set(kept.toArray()).size).toBeGreaterThan(1);
});

// What a cutoff leaves of the deviation is from scipy.stats.truncnorm; transformers 5.24 draws such values.
test.each([
  [{}, 2, 0.8796],
  [{ initializer_cutoff_factor: null }, 3, 0.9866],
  [{ initializer_cutoff_factor: 1 }, 1, 0.5396],
])("a new head has transformers' distributions: %j", async (settings, cutoff, left) => {
  const rename = (name: string) => (name.startsWith("model.") ? name : undefined);
  const { model } = await load({ rename, config: { initializer_range: 0.3, ...settings } });
  const weights = new Map(model.namedParameters());
  const { hiddenSize, layers } = model.config;
  for (const [path, deviation] of [
    ["head.dense.weight", 0.3 / Math.sqrt(2 * layers)],
    ["classifier.weight", hiddenSize ** -0.5],
  ] as const) {
    const values = weights.get(path)!.tensor.toArray();
    const found = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(Math.abs(found / (left * deviation) - 1), path).toBeLessThan(values.length > 1000 ? 0.05 : 0.25);
    const largest = Math.max(...values.map(Math.abs));
    expect(largest, path).toBeLessThanOrEqual(cutoff * deviation * (1 + 1e-6));
    expect(largest, path).toBeGreaterThan(0.75 * cutoff * deviation);
  }
});

test.each<[Changes, RegExp]>([
  [{ config: { classifier_pooling: "max" } }, /classifier_pooling "max" is not supported; supported are cls, mean\.$/],
  [
    { config: { layer_types: ["full_attention"] } },
    /layer_types must be a list of 3 words out of full_attention, sliding_attention/,
  ],
  [{ config: { hidden_activation: "relu" } }, /gated activation "relu" is not supported/],
  [{ config: { head_dim: 4 } }, /head_dim 4 is not supported; expected 8 or no such key\.$/],
  [{ config: { norm_bias: true } }, /lacks the weight model\.\S*norm\.bias/],
  [{ config: { initializer_cutoff_factor: 1e-9 } }, /initializer_cutoff_factor must be at least 0.01, but is 1e-9\.$/],
  [{ config: { rope_scaling: { rope_type: "x" } } }, /rope_type "x" is not supported/],
])("refuses %o", async (changes, message) => {
  await expect(load(changes)).rejects.toThrow(message);
});
