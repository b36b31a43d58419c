import { expect, test } from "vitest";
import { words } from "../../src/base/format.js";

test.each([
  ["matthewsCorrelation", "Matthews correlation"],
  ["microF1", "Micro F1"],
  ["test_macroF1", "Test macro F1"],
  ["ndcg@10", "nDCG@10"],
  ["test_ndcg@10", "Test nDCG@10"],
  ["mrr@10", "MRR@10"],
  ["holdout_map@100", "Holdout MAP@100"],
  ["recall@1", "Recall@1"],
])("%s is written %s", (key, text) => {
  expect(words(key)).toBe(text);
});
