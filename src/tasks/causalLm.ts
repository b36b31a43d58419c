// Shapes: N tokens of all examples, K predicted tokens (those that the loss is computed on), H hidden size.
import * as z from "zod";
import { IGNORED_LABEL, linearCrossEntropy, tokenLosses } from "../models/nn/index.js";
import * as torch from "../torch/index.js";
import type { ExampleOutputs } from "./batch.js";
import { type Group, targetOf } from "./batch.js";
import { type LanguageExample, loadLanguage } from "./data/index.js";
import { type EncodedLanguageExample, encodeLanguageExamples } from "./encodeLanguage.js";
import { type PredictedTokens, tokenPrediction } from "./metrics/index.js";
import type { Task } from "./task.js";

/** Causal language modeling: the next token is predicted from the tokens before it. */
export const causalLm: Task<LanguageExample, EncodedLanguageExample, PredictedTokens> = {
  rows: '`{"prompt", "completion"}`, `{"messages": [{"role", "content"}, …]}`, or `{"text"}`',
  head: { className: "ForCausalLM" },
  peftTaskType: "CAUSAL_LM",
  outputs: [],
  takesTrainOn: true,
  isGenerative: true,
  read: loadLanguage,
  /** Predictions of tokens include whether they are right. */
  reference: () => undefined,
  async encode(examples, tokenizer, { maxLength, trainOn }) {
    const single = examples.flatMap(withEachReference);
    return (await encodeLanguageExamples(single, tokenizer, { maxLength, trainOn })).flat();
  },
  weight: lossTokens,
  outputVectors: lossTokens,
  /**
   * The loss of each predicted token, and 1 if the model ranks it first: [K, 2]. In training only sums of losses: [1, 1], or of G groups
   * [G, 1].
   */
  forward(model, batch, context) {
    const targets = batch.examples.flatMap(targetOf);
    const indices = targets.flatMap((target, i) => (target === IGNORED_LABEL ? [] : [i]));
    const { device } = batch.inputIds;
    const ids = (list: readonly number[]) => torch.tensor(list, [list.length], "int64", device);
    const states = model.backbone.forward(batch, context, ids(indices)); // K,H
    const predicted = ids(indices.map((i) => targets[i] as number));
    if (context.inference) return tokenLosses(states, model.outputLayer, predicted, context);
    const lossOf = (x: torch.Tensor, y: torch.Tensor) => linearCrossEntropy(x, model.outputLayer, y, context);
    if (!batch.groups) return torch.reshape(lossOf(states, predicted), [1, 1]);
    const parts = tokensOfGroups(batch.examples, batch.groups).map(ids);
    const losses = parts.map((part) =>
      lossOf(torch.indexSelect(states, 0, part), torch.indexSelect(predicted, 0, part)),
    );
    return torch.reshape(torch.stack(losses), [-1, 1]);
  },
  loss: (outputs) => torch.sum(torch.narrow(outputs, 1, 0, 1)),
  groupLosses: (outputs, _batch, groups) => groups.map((_, i) => torch.sum(torch.narrow(outputs, 0, i, 1))),
  splitsExamples: true,
  predict: (outputs) => outputs.map(tokenSums).reduce(sumOf),
  join: (predictions) => predictions.reduce(sumOf),
  prediction: z.object({ text: z.string() }),
  scorer: () => ({ main: "loss", metric: tokenPrediction() }),
};

/** One example for each reference, as its completion. */
function withEachReference(example: LanguageExample): LanguageExample[] {
  const { input } = example;
  if (input.kind !== "prompt" || !input.references) return [example];
  const { references, ...prompt } = input;
  return references.map((completion) => ({ ...example, input: { ...prompt, completion } }));
}

/** The places of each group's tokens among all tokens that the loss is computed on. */
function tokensOfGroups(examples: readonly EncodedLanguageExample[], groups: readonly Group[]): number[][] {
  let next = 0;
  const places = examples.map((example) => Array.from({ length: lossTokens(example) }, () => next++));
  return groups.map((group) => group.flatMap((i) => places[i]!));
}

/** The number of tokens that the loss is computed on. */
function lossTokens(example: EncodedLanguageExample): number {
  return targetOf(example).reduce((n, id) => (id === IGNORED_LABEL ? n : n + 1), 0);
}

/** Sums over the columns of an encoded example's tokens. */
function tokenSums({ values, width }: ExampleOutputs): PredictedTokens {
  const sum = (column: number) => values.reduce((sum, value, i) => (i % width === column ? sum + value : sum), 0);
  return { loss: sum(0), tokens: values.length / width, correct: sum(1) };
}

const sumOf = (a: PredictedTokens, b: PredictedTokens): PredictedTokens => ({
  loss: a.loss + b.loss,
  tokens: a.tokens + b.tokens,
  correct: a.correct + b.correct,
});
