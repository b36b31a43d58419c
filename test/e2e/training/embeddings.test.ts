import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { readEmbeddingFormat } from "../../../src/formats/sentenceTransformers.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import {
  abortAfter,
  bidora,
  bytes,
  changed,
  evaluated,
  fresh,
  GOLDEN,
  json,
  jsonl,
  list,
  predicted,
  run,
  stepsOf,
} from "../support.js";

const ROOT = join(GOLDEN, "embeddings");
const MODEL = join(ROOT, "bert-mean");
const file = (name: string) => join(ROOT, `${name}.jsonl`);
const SMALL = { model: MODEL, task: "embedding", train: file("negatives"), batchSize: 3 } as const;
const embeddings = async (given: { readonly model: string; readonly adapter?: string }) =>
  (await predicted({ ...given, input: file("texts") })).map(({ embedding }) => embedding as number[]);

const near = (vectors: readonly (readonly number[])[]) =>
  vectors.map((vector) => vector.map((value) => expect.closeTo(value, 5)));

const namesIn = (folder: string, name = "adapter_model.safetensors") => {
  const weights = openSafetensors(join(folder, name));
  weights.close();
  return [...weights.names];
};

test("an adapter has the names of AutoModel, and merged it is a folder of sentence-transformers", async () => {
  const { output } = await run({ ...SMALL, method: "lora", pooling: "cls", maxLength: 12 });
  expect(json(join(output, "adapter_config.json"))).toMatchObject({ task_type: "FEATURE_EXTRACTION" });
  expect(namesIn(output)).toContain("base_model.model.encoder.layer.0.attention.self.query.lora_A.weight");
  const merged = fresh("merged");
  await merge({ model: MODEL, adapter: output, output: merged });
  expect(readEmbeddingFormat(merged)).toEqual({ ...readEmbeddingFormat(MODEL), pooling: "cls", maxLength: 12 });
  expect(namesIn(merged, "model.safetensors")).toEqual(
    expect.arrayContaining(["encoder.layer.0.attention.self.query.weight", "pooler.dense.weight"]),
  );
  const found = await embeddings({ model: MODEL, adapter: output });
  expect(found).not.toEqual(near(await embeddings({ model: MODEL })));
  expect(await embeddings({ model: merged })).toEqual(near(found));
  const { stdout } = await bidora("inspect", output);
  expect(stdout).toMatch(/^embeddings +cls pooling; up to 12 tokens$/m);
});

test("the dot product of normalized embeddings is their similarity in the folder that is written too", async () => {
  const model = changed("embeddings/bert-mean", "config_sentence_transformers.json", { similarity_fn_name: "dot" });
  const { output } = await run({ ...SMALL, model, method: "full", maxSteps: 1 });
  expect(json(join(output, "config_sentence_transformers.json"))).toMatchObject({ similarity_fn_name: "dot" });
  expect(readEmbeddingFormat(output)).toMatchObject({ normalizes: true, similarity: "dot" });
});

test("full training leaves such a folder, which --overwrite removes with its modules", async () => {
  const { output } = await run({ ...SMALL, method: "full" });
  expect(list(output)).toEqual(expect.arrayContaining(["1_Pooling", "2_Normalize", "modules.json"]));
  const vectors = await embeddings({ model: output });
  for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  await run({ ...SMALL, method: "lora", output, overwrite: true });
  expect(list(output)).not.toEqual(expect.arrayContaining(["1_Pooling"]));
});

test("full training goes on from a checkpoint, whose files in subfolders are checked too", async () => {
  const settings = { ...SMALL, method: "full", saveEvery: 1, maxSteps: 4, dtype: "float32" } as const;
  const whole = await run(settings);
  const left = await run(settings, abortAfter(3));
  expect(list(join(left.output, "checkpoint-3"))).toEqual(expect.arrayContaining(["1_Pooling", "modules.json"]));
  writeFileSync(join(left.output, "checkpoint-3", "1_Pooling", "config.json"), "{}");
  const resumed = await run({ ...settings, output: left.output, resume: true });
  expect(resumed.notes.join()).toContain(
    "checkpoint-3 is damaged (1_Pooling/config.json has changed since it was saved",
  );
  const [resumedBytes, expected] = [resumed, whole].map(({ output }) => bytes(output, "model.safetensors"));
  expect(resumedBytes).toBe(expected);
  await run({ ...settings, output: left.output, overwrite: true });
});

test("a run does not go on with a model whose folder changed the pooling", async () => {
  const model = changed("embeddings/bert-mean", "config.json", {});
  const settings = { ...SMALL, model, method: "lora", saveEvery: 1, maxSteps: 4 } as const;
  const { output } = await run(settings, abortAfter(2));
  writeFileSync(join(model, "1_Pooling", "config.json"), JSON.stringify({ pooling_mode: "cls" }));
  await expect(run({ ...settings, output, resume: true })).rejects.toThrow(
    "checkpoint-2 was made from a model that makes embeddings in another way",
  );
});

test("the library's model embeds texts as the command does", async () => {
  using model = await load({ model: MODEL, dtype: "float32" });
  expect(model.task).toBe("embedding");
  const [first] = await model.predict(["old stone wall"]);
  expect([first!.embedding]).toEqual(near([(await embeddings({ model: MODEL }))[1]!]));
});

test("with mini-batches a run takes the same steps", async () => {
  const of = async (settings: RunSettings) =>
    stepsOf((await run({ ...SMALL, batchSize: 6, method: "dora", dtype: "float32", ...settings })).events).map(
      ({ loss }) => loss,
    );
  const [whole, parts] = [await of({}), await of({ miniBatchSize: 2 })];
  expect(whole.length).toBeGreaterThan(2);
  expect(parts).toEqual(whole.map((loss) => expect.closeTo(loss, 4)));
});

test("a score beside anchor and positive is left out, or learned from, as asked", async () => {
  const train = jsonl({ anchor: "a", positive: "b", score: 0.2 }, { anchor: "c", positive: "d", score: 0.9 });
  const first = async (settings: RunSettings) =>
    stepsOf((await run({ ...SMALL, train, method: "lora", ...settings })).events)[0]!.loss;
  const [pairs, scores] = [
    await first({ textColumns: ["anchor", "positive"] }),
    await first({ labelColumn: ["score"] }),
  ];
  expect(pairs).not.toBeCloseTo(scores, 3);
});

test("an adapter that learned from a score beside anchor and positive is evaluated on it, unless texts are named", async () => {
  const data = jsonl(
    { anchor: "a", positive: "b", score: 0.2 },
    { anchor: "c", positive: "d", score: 0.9 },
    { anchor: "e", positive: "f", score: 0.5 },
  );
  const { output } = await run({ ...SMALL, train: data, method: "lora", labelColumn: ["score"] });
  const scored = await evaluated({ model: MODEL, adapter: output, data });
  expect(Object.keys(scored)).toContain("spearman");
  const searched = await evaluated({ model: MODEL, adapter: output, data, textColumns: ["anchor", "positive"] });
  expect(Object.keys(searched)).toContain("recall@1");
});

test("rows of triplets without negatives are counted in a note", async () => {
  const [validation, train] = [
    jsonl({ anchor: "a", positive: "b", negatives: ["c"] }, { anchor: "d", positive: "e", negatives: [] }),
    file("triplets"),
  ];
  const { notes } = await run({ ...SMALL, train, validation, loss: "triplet", method: "lora", maxSteps: 1 });
  expect(notes).toContain(
    "1 of 2 validation rows do not count in the loss: they have no negatives, which --loss triplet compares with their positives.",
  );
  // A loss of 0 would be the best one.
  const pairs = { model: MODEL, task: "embedding", data: file("pairs"), loss: "triplet" } as const;
  await expect(evaluated(pairs)).rejects.toThrow(/evaluation rows do not count in the loss: they have no negatives/);
});

test.each<[string, RunSettings]>([
  ["another temperature and widths", { temperature: 0.4, matryoshka: [8, 16] }],
  ["triplets", { loss: "triplet", train: file("triplets") }],
  ["a loss of pairs both ways", { loss: "multiple-negatives-symmetric-ranking", train: file("pairs") }],
])("evaluate has the loss that the adapter was trained with: %s", async (_, settings) => {
  // evaluate puts prompts before the texts, and training does not
  const noPrompts = { prompts: {}, default_prompt_name: null };
  const model = changed("embeddings/bert-mean", "config_sentence_transformers.json", noPrompts);
  const all = { ...SMALL, model, method: "lora", maxSteps: 1, dtype: "float32", ...settings } as const;
  const { output, metrics } = await run({ ...all, validation: all.train });
  const loss = (given: object) => evaluated({ model, data: all.train, batchSize: 3, ...given });
  const [own, usual] = [await loss({ adapter: output }), await loss({ task: "embedding" })];
  expect(own.loss).toBeCloseTo(metrics.loss as number, 5);
  expect(usual.loss).not.toBeCloseTo(metrics.loss as number, 1);
});

test("candidates with the text of the positive are no negatives", async () => {
  const same = jsonl(...["a boat", "the wall", "three words"].map((anchor) => ({ anchor, positive: "old stone" })));
  const { events } = await run({ ...SMALL, train: same, method: "lora" });
  for (const { loss } of stepsOf(events)) expect(loss).toBeCloseTo(0, 6);
});

describe("what gives nothing to learn, or another meaning, is refused", () => {
  const judged = [0, 1].map((score) => ({ anchor: "a b", positive: "c d", score }));
  const scored = jsonl({ sentence1: "a", sentence2: "b", score: 4 }, { sentence1: "c", sentence2: "d", score: 1 });
  const nearlyEqual = jsonl(...[0, 1, 1, 1].map((score, i) => ({ sentence1: `a${i}`, sentence2: "b", score })));
  const equal = jsonl({ sentence1: "a", sentence2: "b", score: 4 }, { sentence1: "c", sentence2: "d", score: 4 });
  const cases: readonly (readonly [what: string, settings: RunSettings, message: string])[] = [
    ["one row in a batch", { train: file("pairs"), batchSize: 1 }, "--batch-size 1 leaves none"],
    ["a single row", { train: jsonl({ anchor: "a", positive: "b" }) }, "a single training row leaves none"],
    ["a single row of many", { train: file("pairs"), trainLimit: 1 }, "a single training row leaves none"],
    ["one row with a score in a batch", { train: scored, batchSize: 1 }, "--batch-size 1 leaves none to compare"],
    ["a single score", { train: jsonl({ sentence1: "a", sentence2: "b", score: 4 }) }, "a single training row leaves"],
    ["equal scores", { train: equal }, "the order of the scores, and all training rows have 4"],
    ["scores beyond cosines", { train: scored, loss: "cosine" }, "takes scores from -1 to 1"],
    ["a score beside anchor and positive", { train: jsonl(...judged) }, "--label-column score"],
    [
      "a score beside negatives",
      { train: jsonl(...judged.map((row) => ({ ...row, negative: "e" }))) },
      "to leave it out",
    ],
    ["a loss of pairs for scores", { train: scored, loss: "triplet" }, "the training rows have scores"],
    ["a loss of scores for pairs", { train: file("pairs"), loss: "cosent" }, "have none"],
    ["triplets without a negative", { train: file("pairs"), loss: "triplet" }, "has no negative"],
    [
      "an upper level of one row",
      { method: "bidora", train: file("pairs"), searchFraction: 0.9 },
      "a single training row of the upper level leaves none",
    ],
    [
      "a lower level of one row",
      { method: "bidora", train: file("pairs"), searchFraction: 0.2 },
      "a single training row of the lower level leaves none",
    ],
    [
      "folds of one row",
      { method: "bidora", train: file("pairs"), searchFolds: 4 },
      "a single training row of the upper level leaves none",
    ],
    [
      "an upper level with equal scores",
      { method: "bidora", train: file("scored"), upperTrain: equal },
      "all training rows of the upper level have 4",
    ],
    [
      "an upper level's split with equal scores",
      { method: "bidora", train: nearlyEqual, searchFraction: 0.5, shuffle: false },
      "all training rows of the upper level have 1",
    ],
    [
      "levels of two kinds",
      { method: "bidora", train: file("pairs"), upperTrain: scored },
      "The rows of --upper-train have scores and those of --train have none",
    ],
    [
      "triplets of the upper level without a negative",
      { method: "bidora", train: file("triplets"), upperTrain: file("pairs"), loss: "triplet" },
      "has no negative",
    ],
    [
      "triplets without a negative to evaluate on",
      { train: file("triplets"), validation: file("pairs"), loss: "triplet" },
      "6 of 6 validation rows do not count in the loss: they have no negatives",
    ],
    [
      "early stopping by what pairs don't have",
      { validation: file("pairs"), evalEvery: 1, earlyStopping: 1, earlyStoppingMetric: "spearman" },
      "--early-stopping-metric takes recall@1, recall@10, mrr@10, ndcg@10, map@100, loss for this task; got spearman",
    ],
    [
      "early stopping by what scored pairs don't have",
      { validation: file("scored"), evalEvery: 1, earlyStopping: 1, earlyStoppingMetric: "ndcg@10" },
      "--early-stopping-metric takes pearson, spearman, loss for this task; got ndcg@10",
    ],
    ["a width beyond the model's", { matryoshka: [64] }, "fewer than 64"],
    ["a temperature without effect", { train: scored, loss: "triplet", temperature: 1 }, "--temperature"],
    ["mini-batches as large as a batch", { miniBatchSize: 3 }, "--mini-batch-size"],
    ["rows of one text", { train: file("texts") }, "learns from pairs"],
    ["another task", { task: "sequence-classification", loss: "cosine" }, "--loss"],
  ];
  test.each(cases)("%s", async (_what, settings, message) => {
    await expect(run({ ...SMALL, method: "lora", ...settings })).rejects.toThrow(message);
  });

  const folders: readonly (readonly [what: string, file: string, change: object, message: string])[] = [
    ["another pooling", "1_Pooling/config.json", { pooling_mode: "max" }, "the pooling max"],
    ["several poolings", "1_Pooling/config.json", { pooling_mode: ["cls", "mean"] }, "several poolings at once"],
    ["another kind of model", "config_sentence_transformers.json", { model_type: "SparseEncoder" }, "SparseEncoder"],
    ["a default prompt that is missing", "config_sentence_transformers.json", { default_prompt_name: "x" }, '"x"'],
    ["cut embeddings", "config_sentence_transformers.json", { truncate_dim: 8 }, "truncate_dim 8"],
    ["distances", "config_sentence_transformers.json", { similarity_fn_name: "euclidean" }, '_name "euclidean", which'],
    ["other tokens", "sentence_bert_config.json", { query_length: 8 }, "query_length"],
    [
      "another attention",
      "sentence_bert_config.json",
      { config_kwargs: { is_decoder: true } },
      "setting config_kwargs",
    ],
    ["another tokenizer", "sentence_bert_config.json", { tokenizer_name_or_path: "x" }, "tokenizer_name_or_path"],
    ["another output", "sentence_bert_config.json", { transformer_task: "fill-mask" }, "fill-mask"],
  ];
  test.each(folders)("%s in a model's folder", async (_what, name, change, message) => {
    const model = changed("embeddings/bert-mean", name, change);
    await expect(predicted({ model, input: file("texts") })).rejects.toThrow(message);
  });

  test("dot products of embeddings that are not normalized", async () => {
    const model = changed("embeddings/bert-cls-prompt", "config_sentence_transformers.json", {
      similarity_fn_name: "dot",
    });
    await expect(predicted({ model, input: file("texts") })).rejects.toThrow("expected cosine, or dot with the module");
  });

  test("a folder without the pooling that modules.json names", async () => {
    const model = changed("embeddings/bert-mean", "config.json", {});
    rmSync(join(model, "1_Pooling"), { recursive: true });
    await expect(predicted({ model, input: file("texts") })).rejects.toThrow("1_Pooling");
  });

  test("predictions of pairs", async () => {
    await expect(predicted({ model: MODEL, input: file("scored") })).rejects.toThrow("rows to embed have one text");
  });
});

test("a model without modules gives the mean, not normalized; a classifier is embedded without its head", async () => {
  for (const model of [join(GOLDEN, "bert", "no-prefix"), join(GOLDEN, "bert", "single")]) {
    const rows = await predicted({ model, task: "embedding", input: file("texts") });
    expect(Math.hypot(...(rows[1]!.embedding as number[]))).not.toBeCloseTo(1, 1);
  }
  const { status, stderr } = await bidora(
    "predict",
    "--model",
    join(GOLDEN, "bert", "no-prefix"),
    "--input",
    file("texts"),
    "--output",
    fresh("out.jsonl"),
  );
  expect([status, stderr]).toEqual([1, expect.stringContaining("no trained head")]);
});
