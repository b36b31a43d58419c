import { expect, test } from "vitest";
import { parametersOf } from "../../src/models/adapters/fullTraining.js";
import { ARCHITECTURES } from "../../src/models/architectures.js";
import { relativePositionBucket } from "../../src/models/families/mpnet.js";
import { type Architecture, buildModel, modelInput } from "../../src/models/index.js";
import { EVALUATION } from "../../src/models/nn/index.js";
import { TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";

const mpnet: Architecture = ARCHITECTURES.mpnet;
const SEQUENCE = TASKS["sequence-classification"].head;
const SMALL = { hidden_size: 8, num_attention_heads: 2, num_hidden_layers: 2, intermediate_size: 8, vocab_size: 20 };

test("missing settings have transformers' defaults", () => {
  expect(mpnet.parseConfig({ model_type: "mpnet", classifier_dropout: 0.5 })).toMatchObject({
    vocabSize: 30527,
    hiddenSize: 768,
    layers: 12,
    heads: 12,
    intermediateSize: 3072,
    activation: "gelu",
    layerNormEpsilon: 1e-12,
    classifierDropout: 0.1,
    positions: 512,
    maxTokens: 510,
    typeVocabSize: 0,
    padTokenId: 1,
    buckets: 32,
  });
});

// Where transformers' MPNetEncoder.relative_position_bucket changes, by query position minus key position from −700 to 700.
const BUCKET_STARTS = [
  [-700, 31],
  [-90, 30],
  [-63, 29],
  [-45, 28],
  [-31, 27],
  [-22, 26],
  [-15, 25],
  [-11, 24],
  [-7, 23],
  [-6, 22],
  [-5, 21],
  [-4, 20],
  [-3, 19],
  [-2, 18],
  [-1, 17],
  [0, 0],
  [1, 1],
  [2, 2],
  [3, 3],
  [4, 4],
  [5, 5],
  [6, 6],
  [7, 7],
  [8, 8],
  [12, 9],
  [16, 10],
  [23, 11],
  [32, 12],
  [46, 13],
  [64, 14],
  [91, 15],
  [701, -1],
] as const;

test("buckets of relative positions are transformers', to any distance", () => {
  for (const [i, [start, bucket]] of BUCKET_STARTS.slice(0, -1).entries())
    for (let distance = start; distance < BUCKET_STARTS[i + 1]![0]; distance++)
      expect(relativePositionBucket(distance), `distance ${distance}`).toBe(bucket);
});

test("a long row has the same outputs alone and beside shorter rows, and depends on its most distant tokens", () => {
  torch.scope(() => {
    const config = { ...SMALL, max_position_embeddings: 402 };
    const model = buildModel(mpnet, config, SEQUENCE, 2);
    const generator = new torch.Generator(5);
    for (const [, parameter] of model.namedParameters())
      parameter.fill(torch.keep(torch.normal_(torch.empty(parameter.shape), 0, 0.5, { generator })));
    const row = (length: number) => ({
      inputIds: Array.from({ length }, (_, i) => 2 + ((i * 7) % 18)),
      tokenTypeIds: new Array<number>(length).fill(0),
    });
    const logits = (rows: ReturnType<typeof row>[]) => model.forward(modelInput(rows), EVALUATION).toArray();
    const alone = logits([row(400)]);
    const together = logits([row(3), row(400), row(130)]);
    for (const [i, value] of alone.entries()) expect(together[2 + i]).toBeCloseTo(value, 5);
    const bias = [...model.namedParameters()].find(([path]) => path.endsWith("relative_attention_bias.weight"))![1];
    const table = bias.tensor.setRequiresGrad(true);
    const sum = torch.sum(model.forward(modelInput([row(400)]), EVALUATION));
    const gradient = torch.grad([sum], [table])[0]!;
    const used = torch.linalgVectorNorm(gradient, 2, [1]).toArray();
    // No distance falls into bucket 16: it would be that of distance 0 among the keys after a query.
    expect(used.flatMap((size, bucket) => (size === 0 ? [bucket] : []))).toEqual([16]);
  });
});

test.each([
  [{ pad_token_id: 0 }, /pad_token_id 0 is not supported; expected 1 or no such key\.$/],
  [{ relative_attention_num_buckets: 16 }, /relative_attention_num_buckets must be at least 32, but is 16\.$/],
  [{ is_decoder: true }, /is_decoder true is not supported/],
])("refuses %o", (changes, message) => {
  expect(() => mpnet.parseConfig({ model_type: "mpnet", ...changes })).toThrow(message);
});

test("relative attention biases have no weight decay, as in transformers' Trainer", () => {
  const model = buildModel(mpnet, SMALL, SEQUENCE, 2);
  const decays = new Map(Array.from(parametersOf(model), ({ name, decays }) => [name, decays]));
  expect(decays.get("mpnet.encoder.relative_attention_bias.weight")).toBe(false);
  expect(decays.get("mpnet.encoder.layer.0.attention.attn.o.weight")).toBe(true);
});
