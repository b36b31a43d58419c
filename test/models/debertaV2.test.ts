import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import { ARCHITECTURES } from "../../src/models/architectures.js";
import { relativePosition } from "../../src/models/families/disentangled.js";
import { type Architecture, buildModel, type LoadedModel, loadModel, modelInput } from "../../src/models/index.js";
import { type Dropout, EVALUATION, type MaskSource } from "../../src/models/nn/index.js";
import { TASKS, type TaskKind } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { expectClose, GOLDEN, goldenInput, readTensors, relativeError } from "../parity/goldenFiles.js";
import { type Changes, changedCheckpoint } from "./checkpoints.js";
import { headFor } from "./ownHead.js";

const SEQUENCE: TaskKind = "sequence-classification";
const deberta: Architecture = ARCHITECTURES["deberta-v2"];

function load(changes: Changes = {}, kind = SEQUENCE, folder = "deberta-v2/single"): Promise<LoadedModel> {
  const checkpoint = changedCheckpoint(folder, changes);
  const outputs = kind === "question-answering" ? 2 : 3;
  return loadModel(checkpoint, { ...headFor(kind, outputs), dtype: "float32", generator: new torch.Generator(5) });
}

function backboneOf({ model }: LoadedModel): Record<string, number[]> {
  const own = Array.from(model.namedParameters()).filter(([path]) => path.startsWith("deberta."));
  return Object.fromEntries(own.map(([path, { tensor }]) => [path, tensor.toArray()]));
}

function shapesOf(config: JsonObject, kind = SEQUENCE): ReadonlyMap<string, readonly number[]> {
  const small = { hidden_size: 24, num_attention_heads: 3, num_hidden_layers: 1, intermediate_size: 32, vocab_size: 9 };
  const model = buildModel(deberta, { ...small, ...config }, TASKS[kind].head, 2);
  return new Map(Array.from(model.namedParameters(), ([path, { shape }]) => [path, shape]));
}

const texts = () => goldenInput(readTensors(join(GOLDEN, "deberta-v2/forward/single-texts.safetensors")));

test("missing settings have transformers' defaults", () => {
  expect(deberta.parseConfig({ model_type: "deberta-v2" })).toEqual({
    vocabSize: 128100,
    hiddenSize: 1536,
    layers: 24,
    heads: 24,
    intermediateSize: 6144,
    activation: "gelu",
    layerNormEpsilon: 1e-7,
    hiddenDropout: 0.1,
    attentionDropout: 0.1,
    classifierDropout: 0.1,
    positions: 512,
    maxTokens: 512,
    typeVocabSize: 0,
    padTokenId: 0,
    initializerRange: 0.02,
    embeddingSize: 1536,
    hasPositions: true,
    relative: undefined,
    positionTerms: [],
    convolution: undefined,
    poolerDropout: 0,
    poolerActivation: "gelu",
    clsDropout: 0.1,
  });
});

test("settings of v3, and both spellings of pos_att_type", () => {
  const v3 = {
    relative_attention: true,
    position_biased_input: false,
    pos_att_type: "p2c|c2p",
    max_relative_positions: -1,
    position_buckets: 256,
    norm_rel_ebd: "layer_norm",
    share_att_key: true,
  };
  const expected = {
    maxTokens: Number.POSITIVE_INFINITY,
    positionTerms: ["c2p", "p2c"],
    relative: {
      span: 256,
      buckets: { count: 256, maxDistance: 512 },
      isNormalized: true,
      sharesProjections: true,
    },
  };
  expect(deberta.parseConfig(v3)).toMatchObject(expected);
  expect(deberta.parseConfig({ ...v3, pos_att_type: ["c2p", "p2c"] })).toMatchObject(expected);
  expect(deberta.parseConfig({ ...v3, pos_att_type: " P2C " })).toMatchObject({ positionTerms: ["p2c"] });
});

// The values of transformers' make_log_bucket_position.
test.each([
  [
    { count: 256, maxDistance: 512 },
    { 127: 127, 128: 128, 129: 129, 130: 130, 200: 169, 300: 207, 510: 255, 511: 255, 512: 256 },
  ],
  [
    { count: 8, maxDistance: 24 },
    { 3: 3, 4: 4, 5: 5, 7: 5, 8: 6, 13: 7, 23: 7, 24: 8 },
  ],
  [
    { count: 7, maxDistance: 40 },
    { 2: 2, 3: 3, 4: 4, 11: 5, 39: 5, 40: 6 },
  ],
])("distances fall into buckets: %o", (buckets, expected) => {
  const span = 1000;
  for (const [distance, bucket] of Object.entries(expected)) {
    expect(relativePosition(Number(distance), { span, buckets }) - span, distance).toBe(bucket);
    expect(relativePosition(-Number(distance), { span, buckets }) - span, distance).toBe(-bucket);
  }
});

test("distances beyond the span share the embeddings of its ends", () => {
  const places = [-6, -5, -4, 0, 3, 4, 5].map((distance) =>
    relativePosition(distance, { span: 4, buckets: undefined }),
  );
  expect(places).toEqual([0, 0, 0, 4, 7, 7, 7]);
});

test("there are projections of distances only for the configured terms", () => {
  const relative = { relative_attention: true, max_relative_positions: 5 };
  const of = (config: JsonObject) =>
    [...shapesOf({ ...relative, ...config }).keys()].filter((path) => /pos_\w+_proj\.weight|rel_emb/.test(path));
  const [key, query] = ["pos_key_proj", "pos_query_proj"].map(
    (n) => `deberta.encoder.layer.0.attention.self.${n}.weight`,
  );
  const table = "deberta.encoder.rel_embeddings.weight";
  expect(of({ pos_att_type: "c2p" })).toEqual([table, key]);
  expect(of({ pos_att_type: "p2c" })).toEqual([table, query]);
  expect(of({ pos_att_type: "c2p|p2c", share_att_key: true })).toEqual([table]);
  expect(of({ pos_att_type: "c2p|p2c", relative_attention: false })).toEqual([]);
  expect(shapesOf(relative).get(table)).toEqual([10, 24]);
  expect(shapesOf({ ...relative, position_buckets: 4, max_relative_positions: 9 }).get(table)).toEqual([8, 24]);
});

test("each term lowers the scale of scores, even without relative attention, as in transformers", async () => {
  const without = { relative_attention: false, pos_att_type: null };
  const logits = async (config: JsonObject) => (await load({ config })).model.forward(texts(), EVALUATION);
  const [plain, divided] = [await logits(without), await logits({ ...without, pos_att_type: "c2p|p2c" })];
  expect(relativeError(divided, plain)).toBeGreaterThan(1e-4);
});

test("dropout before the pooler's dense layer, before the classifier, and on each layer's distances", async () => {
  const uses: unknown[] = [];
  const masks: MaskSource = { draw: (dropout) => ({ seed: 1, stream: uses.push(dropout) }) };
  const config = { pooler_dropout: 0.3, cls_dropout: 0.4, hidden_dropout_prob: 0.2 };
  const { model } = await load({ config });
  model.forward(texts(), { ...EVALUATION, masks });
  const paths = new Map(Array.from(model.namedModules(), ([path, module]) => [module as unknown, path]));
  const used = uses.map((dropout) => [paths.get(dropout), (dropout as Dropout).p]);
  expect(used.slice(-2)).toEqual([
    ["pooler.dropout", 0.3],
    ["dropout", 0.4],
  ]);
  expect(used).toContainEqual(["deberta.encoder.layer.1.attention.self.pos_dropout", 0.2]);

  uses.length = 0;
  (await load({ config }, "token-classification")).model.forward(texts(), { ...EVALUATION, masks });
  expect((uses.at(-1) as Dropout).p).toBe(0.2);
});

test("a convolution doesn't see other rows", async () => {
  const folder = "deberta-v2-xlarge/single";
  const { model } = await load({ config: { num_hidden_layers: 1 } }, SEQUENCE, folder);
  const input = texts();
  const together = model.forward(input, EVALUATION);
  const states = model.hiddenStates(input, EVALUATION)[1] as torch.Tensor;
  const first = torch.narrow(states, 0, 0, input.layout.lengths[0] as number);
  const ids = Array.from(input.inputIds.toArray()).slice(0, input.layout.lengths[0]);
  const alone = modelInput([{ inputIds: ids, tokenTypeIds: ids.map(() => 0) }]);
  expectClose(model.hiddenStates(alone, EVALUATION)[1] as torch.Tensor, first, 1e-6);
  expectClose(model.forward(alone, EVALUATION), torch.narrow(together, 0, 0, 1), 1e-6);
});

test("loads a bare model, and v3's discriminator with its additional weights", async () => {
  const expected = backboneOf(await load());
  const bare = await load({ rename: (name) => (/^deberta\./.test(name) ? name.slice("deberta.".length) : undefined) });
  const discriminator = await load({
    rename: (name) =>
      name.replace(/^classifier\./, "mask_predictions.classifier.").replace(/^pooler\./, "lm_predictions."),
  });
  for (const loaded of [bare, discriminator]) {
    expect(backboneOf(loaded)).toEqual(expected);
    expect(loaded.initialized).toEqual(["pooler.dense", "classifier"]);
    expect(loaded.trainedModules).toEqual(["pooler", "classifier"]);
  }
});

test.each<[Changes, RegExp]>([
  [
    { config: { pos_att_type: "c2p|p2p" } },
    /pos_att_type "c2p\|p2p" is not supported; supported are c2p, p2c, both or neither\.$/,
  ],
  [{ config: { pos_att_type: 3 } }, /pos_att_type 3 is not supported/],
  [{ config: { norm_rel_ebd: "batch" } }, /norm_rel_ebd "batch" is not supported; supported are none, layer_norm\.$/],
  [
    { config: { position_buckets: 48 } },
    /position_buckets \(48\) must be at least 2, and half of it less than max_relative_positions \(24\)/,
  ],
  [{ config: { position_buckets: 1 } }, /position_buckets \(1\) must be at least 2/],
  [{ config: { position_buckets: "8" } }, /position_buckets must be a whole number, but is "8"\.$/],
  [{ config: { conv_kernel_size: 4 } }, /conv_kernel_size must be odd, but is 4\.$/],
  [{ config: { conv_kernel_size: 3, conv_groups: 2 } }, /conv_groups 2 is not supported; expected 1 or no such key\.$/],
  [{ config: { conv_kernel_size: 3 } }, /lacks the weight deberta\.encoder\.conv\.conv\.weight/],
  [{ config: { pooler_hidden_size: 12 } }, /pooler_hidden_size 12 is not supported; expected 16 or no such key\.$/],
  [{ config: { attention_head_size: 12 } }, /attention_head_size 12 is not supported; expected 8 or no such key\.$/],
  [{ config: { type_vocab_size: 2 } }, /lacks the weight deberta\.embeddings\.token_type_embeddings\.weight/],
  [
    { config: { share_att_key: false } },
    /lacks the weight deberta\.encoder\.layer\.0\.attention\.self\.pos_key_proj\.weight/,
  ],
  [{ config: { pooler_hidden_act: "mish" } }, /activation "mish" is not supported/],
])("refuses %o", async (changes, message) => {
  await expect(load(changes)).rejects.toThrow(message);
});
