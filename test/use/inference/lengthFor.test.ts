import { expect, test } from "vitest";
import { PLAIN_FORMAT, PLAIN_RERANKER } from "../../../src/formats/index.js";
import { embeddingTask } from "../../../src/tasks/embedding/embedding.js";
import { namedTask } from "../../../src/tasks/index.js";
import { rerankingTask } from "../../../src/tasks/reranking/reranking.js";
import { lengthFor } from "../../../src/use/inference/predictions.js";

const lengthOf = (task: unknown, modelMaxLength?: number) => {
  const open = { metadata: undefined, tokenizer: { modelMaxLength }, model: { config: { maxTokens: 8192 } }, task };
  return lengthFor({ maxLength: 512, given: {} }, open as never);
};

test.each<[string, unknown, number | undefined, number]>([
  ["a classifier has the default", namedTask("sequence-classification").task, undefined, 512],
  ["embeddings have the model's", embeddingTask(), undefined, 8192],
  ["rerankers have the model's", rerankingTask(), undefined, 8192],
  ["no more than the tokenizer's", embeddingTask(), 2048, 2048],
  ["the folder's", embeddingTask({ ...PLAIN_FORMAT, maxLength: 256 }), 2048, 256],
  ["the folder's, which replaces the tokenizer's", rerankingTask({ ...PLAIN_RERANKER, maxLength: 4096 }), 2048, 4096],
])("texts are cut at the same length as in sentence-transformers: %s", (_, task, ofTokenizer, length) => {
  expect(lengthOf(task, ofTokenizer)).toBe(length);
});
