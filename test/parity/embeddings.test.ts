import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluate } from "../../src/app/commands/models/evaluate.js";
import { readEmbeddingFormat, transformerFolder } from "../../src/formats/sentenceTransformers.js";
import { trainEverything } from "../../src/models/adapters/index.js";
import { loadModel } from "../../src/models/index.js";
import { embeddingTask } from "../../src/tasks/embedding/embedding.js";
import { batchOf, type EmbeddingSettings, encodeExamples, type Task } from "../../src/tasks/index.js";
import { loadTokenizer } from "../../src/text/index.js";
import * as torch from "../../src/torch/index.js";
import type { ReplayableMasks } from "../../src/training/loop/masks.js";
import { Level } from "../../src/training/steps/level.js";
import { stepGradients } from "../../src/training/steps/stepGradients.js";
import { PlainRule } from "../../src/training/steps/stepRule.js";
import { takeBatches } from "../../src/training/steps/takeBatches.js";
import { openForInference } from "../../src/use/inference/open.js";
import { predictions } from "../../src/use/inference/predictions.js";
import { expectClose, GOLDEN, get, readJson, readTensors } from "./goldenFiles.js";
import { ADAMW } from "./support/bilevel.js";
import { inOrder } from "./support/rows.js";

interface LossCase {
  readonly rows: string;
  readonly settings: EmbeddingSettings;
  readonly file: string;
}

interface Golden {
  readonly encodings: Readonly<Record<string, Readonly<Record<string, readonly (readonly number[])[]>>>>;
  readonly evaluations: Readonly<Record<string, { readonly pearson: number; readonly spearman: number }>>;
  readonly losses: Readonly<Record<string, LossCase>>;
  readonly steps: {
    readonly steps: number;
    readonly learningRate: number;
    readonly weightDecay: number;
    readonly rows: string;
    readonly losses: readonly number[];
    readonly file: string;
  };
}

const ROOT = join(GOLDEN, "embeddings");
const golden = readJson<Golden>(join(ROOT, "golden.json"));
const MODEL = join(ROOT, "bert-mean");
const fileOf = (rows: string) => join(ROOT, `${rows}.jsonl`);

async function predicted(model: string): Promise<number[][]> {
  const found = { folder: transformerFolder(join(ROOT, model)), adapter: undefined, adapterFolder: undefined };
  const opened = await openForInference(found, { dtype: "float32" }, undefined);
  const settings = { batchSize: 4, maxLength: 512, given: {} };
  const vectors: number[][] = [];
  for await (const { embedding } of predictions(opened, fileOf("texts"), settings)) vectors.push([...embedding!]);
  return vectors;
}

const tensorOf = (vectors: readonly (readonly number[])[]) =>
  torch.tensor(vectors.flat(), [vectors.length, vectors[0]!.length], "float64");

test.each(Object.keys(golden.encodings))("%s embeds texts as sentence-transformers does", async (name) => {
  expectClose(tensorOf(await predicted(name)), tensorOf(golden.encodings[name]!.default!), 1e-5, name);
});

test.each(Object.keys(golden.evaluations))("%s correlates scores as sentence-transformers does", async (name) => {
  const { metrics } = await evaluate({ model: join(ROOT, name), data: fileOf("scored"), dtype: "float32" });
  const { pearson, spearman } = golden.evaluations[name]!;
  expect(metrics.pearson).toBeCloseTo(pearson, 4);
  expect(metrics.spearman).toBeCloseTo(spearman, 10);
});

test("prompts of queries, documents and none", async () => {
  const task = embeddingTask(readEmbeddingFormat(MODEL));
  const loaded = await loadModel(MODEL, {
    head: task.head,
    outputs: 0,
    dtype: "float32",
    generator: new torch.Generator(0),
  });
  const { examples } = await task.read(fileOf("texts"), { labels: "optional" });
  const tokenizer = await loadTokenizer(MODEL);
  const pairs = examples.map(({ input: [text], at }) => ({ input: [text!, text!], label: {}, at }));
  const embedded = async (usesPrompts: boolean) => {
    const rows = await encodeExamples(task, pairs, tokenizer, { labels: undefined, maxLength: 20, usesPrompts });
    return task.forward!(loaded.model, batchOf(rows), { masks: undefined });
  };
  const { query, document, none } = golden.encodings["bert-mean"]!;
  const interleaved = (a: typeof query, b: typeof query) => tensorOf(a!.flatMap((vector, i) => [vector, b![i]!]));
  expectClose(torch.castTo(await embedded(true), "float64"), interleaved(query, document), 1e-5);
  expectClose(torch.castTo(await embedded(false), "float64"), interleaved(none, none), 1e-5);
});

/** The model with all weights trained in float64, and the rows. */
async function training(settings: EmbeddingSettings, rows: string) {
  const task = embeddingTask(readEmbeddingFormat(MODEL), settings);
  const generator = new torch.Generator(0);
  const { model } = await loadModel(MODEL, { head: task.head, outputs: 0, dtype: "float64", generator });
  const trained = trainEverything(model, "float64");
  const { examples } = await task.read(fileOf(rows), {});
  const encoded = await encodeExamples(task, examples, await loadTokenizer(MODEL), {
    labels: undefined,
    maxLength: 20,
  });
  return { task: task as unknown as Task, model, trained: trained.trained, encoded };
}

describe.each(Object.entries(golden.losses))("%s", (_name, { rows, settings, file }) => {
  const expected = readTensors(join(ROOT, file));

  test("loss and gradients equal those of sentence-transformers, in mini-batches too", async () => {
    for (const miniBatchSize of [settings.miniBatchSize, 4, 1]) {
      const { task, model, trained, encoded } = await training({ ...settings, miniBatchSize }, rows);
      const batches = takeBatches({ task, model, ranks: torch.ALONE }, inOrder(encoded, encoded.length), 1);
      const names = trained.map(({ name }) => name);
      const { loss, gradients } = stepGradients(
        { ranks: torch.ALONE, task, model, batches, context: () => ({ masks: undefined }) },
        trained.map(({ tensor }) => tensor),
      );
      expect(loss).toBeCloseTo(get(expected, "loss").item(), 10);
      const kept = [...expected.keys()].filter((key) => key.startsWith("grad."));
      expect(kept.length).toBeGreaterThan(8);
      for (const key of kept) expectClose(gradients[names.indexOf(key.slice(5))]!, get(expected, key), 1e-8, key);
    }
  });
});

test("the weights after some steps on rows with hard negatives", async () => {
  const { steps, learningRate, weightDecay, rows, losses, file } = golden.steps;
  const { task, model, trained, encoded } = await training({}, rows);
  const level = new Level(trained, {
    ...{ ...ADAMW, learningRate, weightDecay, steps },
    ...{ schedule: "constant", warmupRatio: 0, maxGradNorm: undefined },
  });
  const rule = new PlainRule({
    ...{ phase: "train", task, model, level, gradientAccumulation: 1, penalty: undefined },
    batches: inOrder(encoded, encoded.length),
    masks: { contextOf: () => () => ({ masks: undefined }) } as unknown as ReplayableMasks,
    ranks: torch.ALONE,
  });
  for (const loss of losses) expect(rule.step().loss).toBeCloseTo(loss, 8);
  const expected = readTensors(join(ROOT, file));
  for (const { name, tensor } of trained) if (expected.has(name)) expectClose(tensor, get(expected, name), 1e-7, name);
});
