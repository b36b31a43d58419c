// Runs that must not depend on the number of ranks: every method, optimizer, task and estimator.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import * as torch from "../../../src/torch/index.js";
import { changed, GOLDEN, jsonl } from "../support.js";

/** The rows of a step, of all ranks together. */
export const BATCH = 12;
/** Two whole batches and one row, so that of several ranks all but one have no row of the last batch. */
const COUNT = 2 * BATCH + 1;

type Row = Readonly<Record<string, unknown>>;
const model = (...path: readonly string[]): string => join(GOLDEN, ...path);
const given = (...path: readonly string[]): Row[] =>
  readFileSync(join(GOLDEN, ...path), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
const rows = (from: readonly Row[], change = (row: Row, _i: number): Row => row): string =>
  jsonl(...Array.from({ length: COUNT }, (_, i) => change(from[i % from.length] as Row, i)));

const WORDS = "the small boat left the harbour before the storm came in".split(" ");
const words = (i: number) => WORDS.slice(i % 5, (i % 5) + 2 + (i % 6)).join(" ");

const pairs = rows(given("rows", "train.jsonl"));
const classified = { task: "sequence-classification", train: pairs } as const;
const sequence = { model: model("bert", "single"), ...classified } as const;
const dropout = { model: model("bert", "dropout"), ...classified } as const;
const sgd = { optimizer: "sgd", learningRate: 0.05 } as const;
const language = {
  model: model("llama", "lm"),
  task: "causal-lm",
  train: rows(given("rows", "train.jsonl"), (_, i) => (i % 7 === 3 ? { text: words(0) } : { text: words(i) })),
} as const;
const prompted = {
  ...language,
  train: rows([], (_, i) => ({ prompt: words(i), completion: ` ${words(i + 3)}` })),
} as const;
const preferred = {
  model: model("llama", "lm"),
  task: "preference",
  train: rows([], (_, i) => ({ prompt: words(i), chosen: ` ${words(i + 3)}`, rejected: ` ${words(i + 1)} wall` })),
} as const;
const embedded = { model: model("embeddings", "bert-mean"), task: "embedding", method: "lora" } as const;
const texts = (name: string) =>
  rows(given("embeddings", `${name}.jsonl`), (row, i) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => [
        key,
        typeof value === "string" && i >= 6 ? `${value} ${words(i)}` : value,
      ]),
    ),
  );
const [anchored, negatives, triplets, scored] = ["pairs", "negatives", "triplets", "scored"].map(texts) as [
  string,
  string,
  string,
  string,
];
const bidora = { ...sequence, method: "bidora", rank: 2, searchFraction: 0.6, retrainSteps: 3, maxSteps: 6 } as const;
const SCALES = { upper: "scales", rank: 2, searchFraction: 0.6, retrainSteps: 3, maxSteps: 6 } as const;

/** A model whose gradients are larger than what ranks send at once: its vocabulary has words that no row has. */
function withLargeVocabulary(): string {
  const words = 200_000;
  const folder = changed("bert/dropout", "config.json", { vocab_size: words });
  const file = join(folder, "model.safetensors");
  const weights = openSafetensors(file);
  const tensors = [...weights.names].map((name): [string, torch.Tensor] => {
    const tensor = weights.readTensor(name);
    if (!name.endsWith("word_embeddings.weight")) return [name, tensor];
    const [count, size] = tensor.shape as [number, number];
    return [name, torch.cat([tensor, torch.zeros([words - count, size])], 0)];
  });
  weights.close();
  saveSafetensors(file, tensors, { format: "pt" });
  return folder;
}

/** Where Adam enlarges rounding errors of gradients that are nearly zero: the update of more steps hides them. */
const longer = { maxSteps: 12 } as const;

/** Cases by what they show. */
export const CASES: Readonly<Record<string, RunSettings>> = {
  "preferences, dora": { ...preferred, method: "dora" },
  "preferences, orpo": { ...preferred, method: "lora", loss: "orpo" },
  "preferences, kto": { ...preferred, method: "lora", loss: "kto" },
  "preferences, bidora": { ...preferred, method: "bidora", rank: 2, searchFraction: 0.5, retrainSteps: 3 },
  "rewards, full": { ...preferred, task: "reward", method: "full", ...sgd },
  lora: { ...sequence, method: "lora", rank: 3 },
  "lora with dropout": { ...dropout, method: "lora", dropout: 0.2 },
  "lora, variants": {
    ...{ ...sequence, method: "lora", rslora: true, rankPattern: { query: 2 }, alphaPattern: { query: 3 } },
    ...{ gradientAccumulation: 2, maxGradNorm: 0.1 },
  },
  dora: { ...dropout, method: "dora", gradientCheckpointing: true },
  "dora, output axis": { ...sequence, method: "dora", magnitudeAxis: "out", normGradient: "full" },
  vera: { ...sequence, method: "vera" },
  adalora: { ...dropout, method: "adalora", adaloraTinit: 1, adaloraTfinal: 1, adaloraDeltaT: 1, rank: 2 },
  oft: { ...sequence, method: "oft", rank: 4 },
  "oft, constrained": { ...sequence, method: "oft", rank: 3, oftCoft: true, oftEps: 0.1, oftBlockShare: true },
  prediag: { ...dropout, method: "prediag", rank: 3, dropout: 0.2 },
  ia3: { ...sequence, method: "ia3" },
  miss: { ...sequence, method: "miss", rank: 5 },
  delora: { ...dropout, method: "delora", dropout: 0.2 },
  hira: { ...sequence, method: "hira", rank: 3 },
  bitfit: { ...dropout, ...sgd, method: "bitfit" },
  bottlenecks: { ...dropout, ...longer, method: "adapter", adapterSize: 3 },
  "all weights": { ...dropout, ...sgd, method: "full" },
  "all weights, clipped": { ...sequence, ...sgd, method: "full", maxGradNorm: 0.05, gradientAccumulation: 3 },
  "all weights, sent in parts": { ...classified, ...sgd, model: withLargeVocabulary(), method: "full", maxSteps: 3 },
  "all weights, tied, recomputed": {
    ...{ ...prompted, ...sgd, model: model("gpt2", "lm"), method: "full", gradientCheckpointing: true },
  },
  adafactor: { ...sequence, method: "lora", optimizer: "adafactor" },
  lion: { ...sequence, method: "lora", optimizer: "lion" },
  "sgd, cosine schedule": { ...sequence, ...sgd, method: "lora", schedule: "cosine" },
  tokens: {
    ...{ model: model("bert", "tokens"), task: "token-classification", method: "lora" },
    train: rows(given("rows", "tokens.jsonl")),
  },
  "several labels": {
    ...{ ...longer, model: model("bert", "multi"), task: "multi-label-classification", method: "lora" },
    train: rows(given("rows", "multi.jsonl")),
  },
  regression: {
    ...{ model: model("bert", "regression"), task: "regression", method: "lora" },
    train: rows(given("rows", "regression.jsonl")),
  },
  // A bias that moves all logits has no gradient but rounding errors, which Adam would enlarge.
  questions: {
    ...{ ...sgd, model: model("bert", "questions"), task: "question-answering", method: "lora" },
    train: rows(given("rows", "questions.jsonl")),
  },
  "causal-lm": { ...language, method: "lora" },
  "causal-lm, completions": { ...prompted, method: "dora", targetModules: ["q_proj", "lm_head"], dropout: 0.1 },
  "bidora, causal-lm": { ...prompted, method: "bidora", maxSteps: 4, retrainSteps: 2 },
  "bidora, exact": { ...bidora, hypergradient: "exact" },
  "bidora, finite differences": { ...bidora, hypergradient: "finite-difference" },
  "bidora, forward differences": { ...bidora, hypergradient: "forward-difference" },
  "bidora, neumann": { ...bidora, hypergradient: "neumann", hypergradientTerms: 3 },
  "bidora, cg": { ...bidora, hypergradient: "cg", hypergradientTerms: 2 },
  "bidora, first order": { ...bidora, hypergradient: "first-order" },
  "bidora, unrolled, regularized, with dropout": {
    ...{ ...bidora, ...dropout, dropout: 0.1, unrollSteps: 2, regularizer: 0.1, xi: "optimizer" },
    ...{ gradientAccumulation: 2, gradientCheckpointing: true },
  },
  "bidora, neumann, regularized": { ...bidora, hypergradient: "neumann", regularizer: 0.1, xi: undefined },
  "scales, exact": { ...sequence, ...SCALES, method: "lora" },
  "scales, unrolled, finite differences, with dropout": {
    ...{ ...dropout, ...SCALES, method: "dora", dropout: 0.1, unrollSteps: 2, hypergradient: "finite-difference" },
  },
  "bidora, folds, warm start": { ...bidora, searchFraction: undefined, searchFolds: 3, warmStart: true },
  ranking: { ...embedded, train: anchored },
  "ranking with negatives, mini-batches, full": {
    ...embedded,
    ...sgd,
    method: "full",
    train: negatives,
    miniBatchSize: 2,
  },
  "symmetric ranking, accumulated": {
    ...{ ...embedded, train: triplets, loss: "multiple-negatives-symmetric-ranking", gradientAccumulation: 2 },
  },
  cosent: { ...embedded, ...longer, train: scored },
  cosine: { ...embedded, train: scored, loss: "cosine" },
  triplets: { ...embedded, train: triplets, loss: "triplet" },
  "bidora, ranking": { ...embedded, method: "bidora", train: negatives, maxSteps: 4, retrainSteps: 2 },
  "bidora, ranking, finite differences": {
    ...{ ...embedded, method: "bidora", train: anchored, maxSteps: 4, retrainSteps: 2 },
    ...{ hypergradient: "finite-difference", miniBatchSize: 2 },
  },
  "bidora, symmetric ranking, neumann": {
    ...{ ...embedded, method: "bidora", train: triplets, loss: "multiple-negatives-symmetric-ranking" },
    ...{ maxSteps: 4, retrainSteps: 2, hypergradient: "neumann", hypergradientTerms: 3, matryoshka: [24, 8] },
  },
  "bidora, cosent, cg": {
    ...{ ...embedded, method: "bidora", train: scored, maxSteps: 4, retrainSteps: 2 },
    ...{ hypergradient: "cg", hypergradientTerms: 3, gradientAccumulation: 2 },
  },
  "dora, LoftQ": { ...sequence, method: "dora", baseDtype: "nf4", initLoraWeights: "loftq" },
  "dora, PiSSA": { ...sequence, method: "dora", initLoraWeights: "pissa", loraplusRatio: 4 },
  "lora, EVA": { ...sequence, method: "lora", initLoraWeights: "eva", initBatches: 2 },
  "bidora, LoRA-GA": {
    ...{ ...sequence, method: "bidora", maxSteps: 4, retrainSteps: 2 },
    ...{ initLoraWeights: "lora-ga", initBatches: 2, headLearningRate: 1e-3 },
  },
  adamw8bit: { ...sequence, method: "lora", rank: 128, optimizer: "adamw8bit" },
};
