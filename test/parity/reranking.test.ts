import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { trainEverything } from "../../src/models/adapters/index.js";
import { loadModel } from "../../src/models/index.js";
import { batchOf, encodeExamples, lossWeight, type NamedTask, namedTask, type Task } from "../../src/tasks/index.js";
import { reranking as rerankingMetric } from "../../src/tasks/metrics/index.js";
import { score } from "../../src/tasks/metrics/parts/index.js";
import type { RerankingLossName } from "../../src/tasks/reranking/losses.js";
import { rerankingTask } from "../../src/tasks/reranking/reranking.js";
import { loadTokenizer } from "../../src/text/index.js";
import * as torch from "../../src/torch/index.js";
import type { ReplayableMasks } from "../../src/training/loop/masks.js";
import { Level } from "../../src/training/steps/level.js";
import { stepGradients } from "../../src/training/steps/stepGradients.js";
import { PlainRule } from "../../src/training/steps/stepRule.js";
import { takeBatches } from "../../src/training/steps/takeBatches.js";
import { evaluateRows } from "../../src/use/evaluation/index.js";
import { findModel, openForInference } from "../../src/use/inference/index.js";
import { predictions } from "../../src/use/inference/predictions.js";
import { freshPath } from "../support/workFolder.js";
import { expectClose, GOLDEN, get, readJson, readTensors } from "./goldenFiles.js";
import { ADAMW } from "./support/bilevel.js";
import { inOrder } from "./support/rows.js";

interface LossCase {
  readonly rows: string;
  readonly loss: RerankingLossName;
  readonly file: string;
}

interface StepsCase extends LossCase {
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly steps: number;
  readonly losses: readonly number[];
}

interface Query {
  readonly relevant: readonly number[];
  readonly scores: readonly number[];
}

type Metrics = Readonly<Record<string, number>>;

interface Golden {
  readonly scores: Readonly<Record<string, readonly number[]>>;
  readonly losses: Readonly<Record<string, LossCase>>;
  readonly steps: Readonly<Record<string, StepsCase>>;
  readonly metrics: readonly { readonly queries: readonly Query[]; readonly metrics: Metrics }[];
  readonly evaluations: Readonly<Record<string, Metrics>>;
}

const ROOT = join(GOLDEN, "reranking");
const golden = readJson<Golden>(join(ROOT, "golden.json"));
const MODEL = join(ROOT, "bert-6");
const fileOf = (rows: string) => join(ROOT, `${rows}.jsonl`);

/** @param task by default the folder's */
async function scoresOf(names: { model: string; adapter?: string }, task?: NamedTask): Promise<number[]> {
  const opened = await openForInference(await findModel(names), { dtype: "float32" }, task);
  expect(opened.kind).toBe("reranking");
  const settings = { batchSize: 3, maxLength: 512, given: {} };
  const scores: number[] = [];
  for await (const { score } of predictions(opened, fileOf("pairs"), settings)) scores.push(score!);
  return scores;
}

function expectScores(found: readonly number[], name: string): void {
  const tensorOf = (values: readonly number[]) => torch.tensor(values, [values.length], "float64");
  expectClose(tensorOf(found), tensorOf(golden.scores[name]!), 2e-6, name);
}

test.each(["bert-6", "roberta-4"])("%s scores pairs as sentence-transformers does", async (name) => {
  expectScores(await scoresOf({ model: join(ROOT, name) }), name);
});

test("an adapter that PEFT saved brings its trained head", async () => {
  expectScores(await scoresOf({ model: MODEL, adapter: join(ROOT, "adapter") }, namedTask("reranking")), "adapter");
});

/** The folder of version 4 with other keys in config.json. @param task for a folder that does not say that it is a reranker */
async function scoresWith(keys: object, task?: NamedTask): Promise<number[]> {
  const folder = freshPath("reranker");
  cpSync(join(ROOT, "roberta-4"), folder, { recursive: true });
  const { sentence_transformers: _, ...config } = readJson<Record<string, unknown>>(join(folder, "config.json"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...keys }));
  return scoresOf({ model: folder }, task);
}

test("a folder of version 3 names its activation", async () => {
  const identity = { sbert_ce_default_activation_function: "torch.nn.modules.linear.Identity" };
  expectScores(await scoresWith(identity), "roberta-4 without activation");
});

test("a folder that says nothing has a sigmoid", async () => {
  expectScores(await scoresWith({}, namedTask("reranking")), "roberta-4");
});

/** The model with all weights trained in float64, and the rows. */
async function training(loss: RerankingLossName | undefined, rows: string) {
  const task = rerankingTask(undefined, loss);
  const generator = new torch.Generator(0);
  const { model } = await loadModel(MODEL, { head: task.head, outputs: 1, dtype: "float64", generator });
  const { trained } = trainEverything(model, "float64");
  const { examples } = await task.read(fileOf(rows), {});
  const encoding = { labels: undefined, maxLength: 20 };
  const encoded = await encodeExamples(task, examples, await loadTokenizer(MODEL), encoding);
  return { task: task as unknown as Task, model, trained, encoded };
}

describe.each(Object.entries(golden.losses))("%s", (_name, { rows, loss, file }) => {
  const expected = readTensors(join(ROOT, file));

  test.each([100, 3, 1])("loss and gradients equal those of torch, up to %i rows in a batch", async (size) => {
    const { task, model, trained, encoded } = await training(loss, rows);
    const batchSize = Math.min(size, encoded.length);
    const batches = takeBatches(
      { task, model, ranks: torch.ALONE },
      inOrder(encoded, batchSize),
      Math.ceil(encoded.length / batchSize),
    );
    expect(batches.rows).toBe(encoded.length);
    const names = trained.map(({ name }) => name);
    const found = stepGradients(
      { ranks: torch.ALONE, task, model, batches, context: () => ({ masks: undefined }) },
      trained.map(({ tensor }) => tensor),
    );
    expect(found.loss).toBeCloseTo(get(expected, "loss").item(), 10);
    const kept = [...expected.keys()].filter((key) => key.startsWith("grad."));
    expect(kept.length).toBeGreaterThan(7);
    for (const key of kept) expectClose(found.gradients[names.indexOf(key.slice(5))]!, get(expected, key), 1e-8, key);
  });
});

test.each(Object.entries(golden.steps))("the weights after some steps of %s", async (_name, steps) => {
  const { learningRate, weightDecay, rows, loss, losses, file } = steps;
  const { task, model, trained, encoded } = await training(loss, rows);
  const level = new Level(trained, {
    ...{ ...ADAMW, learningRate, weightDecay, steps: steps.steps },
    ...{ schedule: "constant", warmupRatio: 0, maxGradNorm: undefined },
  });
  const rule = new PlainRule({
    ...{ phase: "train", task, model, level, gradientAccumulation: 1, penalty: undefined },
    batches: inOrder(encoded, encoded.length),
    masks: { contextOf: () => () => ({ masks: undefined }) } as unknown as ReplayableMasks,
    ranks: torch.ALONE,
  });
  for (const value of losses) expect(rule.step().loss).toBeCloseTo(value, 8);
  const expected = readTensors(join(ROOT, file));
  for (const { name, tensor } of trained) if (expected.has(name)) expectClose(tensor, get(expected, name), 1e-7, name);
});

test("a list counts once in the mean, a scored document once", async () => {
  const weightOf = async (loss: RerankingLossName, rows: string) => {
    const { task, encoded } = await training(loss, rows);
    return lossWeight(task, batchOf(encoded));
  };
  expect(await weightOf("listwise", "lists")).toBe(6);
  expect(await weightOf("binary-cross-entropy", "lists")).toBe(19);
  expect(await weightOf("mse", "scored")).toBe(8);
});

test.each(golden.metrics)("metrics equal those of CrossEncoderRerankingEvaluator (%#)", ({ queries, metrics }) => {
  const pairs = queries.map(({ relevant, scores }) => [relevant.map(Boolean), scores] as const);
  const found = score(rerankingMetric(), pairs);
  expect(Object.keys(found).sort()).toEqual(Object.keys(metrics).sort());
  for (const [name, value] of Object.entries(metrics)) expect(found[name]).toBeCloseTo(value, 12);
});

test.each(Object.entries(golden.evaluations))("the evaluation of %s equals the library's", async (rows, expected) => {
  const { examples } = await rerankingTask().read(fileOf(rows), {});
  const opened = await openForInference(await findModel({ model: MODEL }), { dtype: "float32" }, undefined);
  const { task, tokenizer, model, labels } = opened;
  const encoded = await encodeExamples(task, examples, tokenizer, { labels: undefined, maxLength: 20 });
  const { metrics, units } = await evaluateRows(model, encoded, { task, labels, batchSize: 3 });
  expect(units).toBe("queries");
  for (const [name, value] of Object.entries(expected)) expect(metrics[name]).toBeCloseTo(value, 12);
});
