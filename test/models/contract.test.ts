// Shapes: N tokens of all rows, H hidden size, V vocabulary.
import { expect, test } from "vitest";
import { architecture, buildModel } from "../../src/models/architecture.js";
import { indicesRead } from "../../src/models/heads.js";
import { Backbone, type ModelConfig, type ModelInput, modelInput } from "../../src/models/index.js";
import { attend, Dropout, Embedding, EVALUATION, type ForwardContext, Linear } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";

// A model unlike any encoder classifier: causal, with fewer key heads than query heads, read at the last token, tied to its embeddings.

const CONFIG: ModelConfig = {
  vocabSize: 11,
  typeVocabSize: 1,
  layers: 1,
  hiddenSize: 8,
  maxTokens: 16,
  initializerRange: 0.02,
  classifierDropout: 0,
};

class Decoder extends Backbone {
  readonly words = this.child("wte", new Embedding(CONFIG.vocabSize, CONFIG.hiddenSize));
  readonly query = this.child("q", new Linear(8, 8, { bias: false }));
  readonly keyValue = this.child("kv", new Linear(8, 4, { bias: false }));
  readonly dropout = new Dropout(0);

  forward({ inputIds, layout }: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    const x = this.words.forward(inputIds, context);
    const kv = this.keyValue.forward(x, context);
    const options = { heads: 2, kvHeads: 1, causal: true, layout, dropout: this.dropout, context };
    const mixed = torch.add(x, attend(this.query.forward(x, context), kv, kv, options));
    return only ? torch.indexSelect(mixed, 0, only) : mixed;
  }

  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    return [this.forward(input, context)];
  }
}

const decoder = architecture<ModelConfig>({
  className: "Tiny",
  prefix: "transformer",
  defaultTargetModules: ["q"],
  subLayerOutputs: { attention: [], feedForward: [] },
  parseConfig: () => CONFIG,
  backbone: () => new Decoder(),
  heads: {
    ForSequenceClassification: {
      reads: "last",
      output: "score",
      build: ({ hiddenSize }, outputs) => {
        const score = new Linear(hiddenSize, outputs, { bias: false });
        return { modules: { score }, forward: (hidden, context) => score.forward(hidden, context) };
      },
    },
    ForCausalLM: {
      reads: "every",
      output: "transformer.wte",
      build: (_config, _outputs, backbone) => ({
        modules: {},
        forward: (hidden) => torch.linear(hidden, (backbone as Decoder).words.weight.tensor),
      }),
    },
  },
});

function model(className: string, outputs: number) {
  const built = buildModel(decoder, {}, { className }, outputs);
  const generator = new torch.Generator(4);
  for (const [, parameter] of built.namedParameters())
    parameter.fill(torch.normal_(torch.empty(parameter.shape, { dtype: "float64" }), 0, 1, { generator }));
  return built;
}

const rows = [[1, 2, 3, 4], [5], [6, 7]].map((inputIds) => ({ inputIds, tokenTypeIds: inputIds.map(() => 0) }));

test("a sequence head can read the last token of each row", () => {
  const built = model("ForSequenceClassification", 3);
  expect([...built.namedParameters()].map(([path]) => path)).toEqual([
    "transformer.wte.weight",
    "transformer.q.weight",
    "transformer.kv.weight",
    "score.weight",
  ]);
  expect([built.headModules, built.outputModule]).toEqual([["score"], "score"]);
  const all = built.hiddenStates(modelInput(rows), EVALUATION)[0] as torch.Tensor;
  const last = torch.indexSelect(all, 0, torch.tensor([3, 4, 6], [3], "int64"));
  const score = new Map(built.namedParameters()).get("score.weight")!.tensor;
  expect(built.forward(modelInput(rows), EVALUATION).toArray()).toEqual(torch.linear(last, score).toArray());
});

test("padding at the end of a text is skipped, unless the row is only padding", () => {
  const padded = [
    [1, 2, 0, 0],
    [0, 0],
    [0, 3],
  ].map((inputIds) => ({ inputIds, tokenTypeIds: inputIds.map(() => 0) }));
  const read = (padTokenId?: number) => indicesRead("last", modelInput(padded), padTokenId)?.toArray();
  expect(read(0)).toEqual([1, 4, 7]);
  expect(read()).toEqual([3, 5, 7]);
});

test("a causal model's outputs don't depend on later tokens", () => {
  const built = model("ForCausalLM", CONFIG.vocabSize);
  const whole = built.forward(modelInput(rows), EVALUATION);
  const start = built.forward(modelInput([{ inputIds: [1, 2], tokenTypeIds: [0, 0] }]), EVALUATION);
  expect(torch.narrow(whole, 0, 0, 2).toArray().length).toBe(22);
  const error = torch
    .sub(torch.narrow(whole, 0, 0, 2), start)
    .toArray()
    .map(Math.abs);
  expect(Math.max(...error)).toBeLessThan(1e-12);
});

test("a tied head has no parameters, and its gradient goes to the embedding", () => {
  const built = model("ForCausalLM", CONFIG.vocabSize);
  expect([...built.namedParameters()].map(([path]) => path)).toEqual([
    "transformer.wte.weight",
    "transformer.q.weight",
    "transformer.kv.weight",
  ]);
  expect(built.headModules).toEqual([]);
  const table = new Map(built.namedParameters()).get("transformer.wte.weight")!.tensor.setRequiresGrad(true);
  const outputs = built.forward(modelInput(rows), EVALUATION);
  expect(outputs.shape).toEqual([7, CONFIG.vocabSize]);
  const [gradient] = torch.grad([torch.sum(torch.tanh(outputs))], [table]);
  // Embedding rows of words outside the batch get gradients only from the outputs.
  expect(
    torch
      .select(gradient!, 0, 10)
      .toArray()
      .some((value) => value !== 0),
  ).toBe(true);
});
