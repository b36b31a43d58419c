import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { readCrossEncoderFormat } from "../../../src/formats/index.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import {
  abortAfter,
  BERT,
  bidora,
  bytes,
  evaluated,
  fresh,
  GOLDEN,
  json,
  jsonl,
  list,
  predicted,
  ROWS,
  readRows,
  run,
  stepsOf,
} from "../support.js";

const ROOT = join(GOLDEN, "reranking");
const MODEL = join(ROOT, "bert-6");
/** Without a head. */
const BARE = join(BERT, "no-prefix");
const file = (name: string) => join(ROOT, `${name}.jsonl`);
const SMALL = { model: BARE, task: "reranking", train: file("lists"), batchSize: 3, dtype: "float32" } as const;
const scores = async (given: { readonly model: string; readonly adapter?: string }) =>
  (await predicted({ ...given, input: file("pairs"), dtype: "float32" })).map(({ score }) => score as number);
const near = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 5));

test("an adapter brings its trained head, and merged it is a CrossEncoder's folder", async () => {
  const { output } = await run({ ...SMALL, method: "lora", maxLength: 12 });
  expect(json(join(output, "adapter_config.json"))).toMatchObject({
    task_type: "SEQ_CLS",
    modules_to_save: ["bert.pooler", "classifier"],
  });
  const found = await scores({ model: BARE, adapter: output });
  const merged = fresh("merged");
  await merge({ model: BARE, adapter: output, output: merged });
  expect(await scores({ model: merged })).toEqual(near(found));
  expect(new Set(found).size).toBe(found.length);
  expect(readCrossEncoderFormat(merged)).toEqual({ activation: "sigmoid", maxLength: 12 });
  expect(json(join(merged, "config.json"))).toMatchObject({
    num_labels: 1,
    sentence_transformers: { activation_fn: "torch.nn.modules.activation.Sigmoid" },
  });
  // with "regression", a pipeline of transformers would give another score than CrossEncoder
  expect(json(join(merged, "config.json"))).not.toHaveProperty("problem_type");
  expect((await bidora("inspect", merged)).stdout).toMatch(/^head +reranking: score$/m);
});

test("evaluate has the loss that the adapter was trained with", async () => {
  const settings = { ...SMALL, loss: "mse", method: "lora", maxSteps: 1 } as const;
  const { output, metrics } = await run({ ...settings, validation: settings.train });
  const loss = (more: object) => evaluated({ model: BARE, adapter: output, data: settings.train, ...more });
  expect((await loss({})).loss).toBeCloseTo(metrics.loss as number, 5);
  expect((await loss({ loss: "binary-cross-entropy" })).loss).not.toBeCloseTo(metrics.loss as number, 2);
});

test("a reranker made of a classifier of several labels is one for transformers too", async () => {
  const model = join(BERT, "single");
  const { output } = await run({ ...SMALL, model, method: "lora", maxSteps: 2 });
  const merged = fresh("merged");
  await merge({ model, adapter: output, output: merged });
  expect(json(join(merged, "config.json"))).not.toHaveProperty("problem_type");
  expect(await scores({ model: merged })).toEqual(near(await scores({ model, adapter: output })));
});

test("a run goes on from a reranker, with its head and its activation", async () => {
  const settings = { ...SMALL, model: MODEL, learningRate: 0 } as const;
  const { task: _, ...unnamed } = settings;
  for (const given of [settings, unnamed]) {
    const { output } = await run({ ...given, method: "full" });
    expect(readCrossEncoderFormat(output)).toEqual({ activation: "identity", maxLength: 20 });
    expect(await scores({ model: output })).toEqual(near(await scores({ model: MODEL })));
  }
});

test.each(["bidora", "dora", "vera"] as const)("%s is trained, and resumes to the bit", async (method) => {
  const settings = { ...SMALL, method, saveEvery: 1, maxSteps: 4, retrainSteps: undefined } as RunSettings;
  const whole = await run(settings);
  const left = await run(settings, abortAfter(3));
  const resumed = await run({ ...settings, output: left.output, resume: true });
  const [found, expected] = [resumed, whole].map(({ output }) => bytes(output, "adapter_model.safetensors"));
  expect(found).toBe(expected);
});

test("accumulated batches take the steps of one large batch", async () => {
  const of = async (settings: RunSettings) =>
    stepsOf((await run({ ...SMALL, method: "lora", shuffle: false, maxSteps: 3, ...settings })).events).map(
      ({ loss }) => loss,
    );
  for (const loss of ["listwise", "binary-cross-entropy"] as const) {
    const whole = await of({ batchSize: 6, loss });
    expect(await of({ batchSize: 2, gradientAccumulation: 3, loss })).toEqual(
      whole.map((value) => expect.closeTo(value, 5)),
    );
  }
});

test("a loss that takes lists and scores has both in one run", async () => {
  const settings = { ...SMALL, method: "bidora", upperTrain: file("scored"), loss: "binary-cross-entropy" } as const;
  const { events } = await run({ ...settings, maxSteps: 1, retrainSteps: 1 });
  expect(stepsOf(events).map(({ phase }) => phase)).toEqual(["search", "retrain"]);
});

test("a run evaluates as evaluate does, stops early by ndcg@10, and keeps each query's scores", async () => {
  const settings = { ...SMALL, train: file("scored"), validation: file("scored"), method: "lora" } as const;
  const { output, metrics, events } = await run({ ...settings, evalEvery: 1, earlyStopping: 1, maxSteps: 30 });
  const data = file("scored");
  const found = await evaluated({ model: BARE, adapter: output, data, dtype: "float32" });
  expect(Object.keys(found).sort()).toEqual(["loss", "map", "mrr@10", "ndcg@10"]);
  for (const [name, value] of Object.entries(found)) expect(metrics[name], name).toBeCloseTo(value, 6);
  expect(stepsOf(events).length).toBeLessThan(30);
  const kept = readRows(join(output, "validation-predictions.jsonl"));
  expect(kept).toHaveLength(3);
  expect(kept[0]).toMatchObject({ line: 1, reference: [false, true, true], prediction: { ranked: expect.any(Array) } });
});

test("predictions in a file are scored as the model's are", async () => {
  const predictions = fresh("predictions.jsonl");
  const given = ["--model", MODEL, "--dtype", "float32"];
  expect((await bidora("predict", ...given, "--input", file("scored"), "--output", predictions)).status).toBe(0);
  const of = ["evaluate", "--task", "reranking", "--predictions", predictions, "--json", "--data"];
  const { loss: _, ...expected } = await evaluated({ model: MODEL, data: file("scored"), dtype: "float32" });
  expect(JSON.parse((await bidora(...of, file("scored"))).stdout)).toEqual(expected);
  const short = jsonl(...Array.from({ length: 8 }, (_, i) => ({ query: `q${i}`, positive: "a", negatives: ["b"] })));
  expect((await bidora(...of, short)).stderr).toContain(
    "line 1 has 2 documents, and a prediction has the score of one",
  );
});

test("rows of one query are one query, and its equal documents one, relevant if one of them is", async () => {
  const rows = [
    { query: "old wall", document: "stone", label: true },
    { query: "old wall", document: "a boat", label: 0 },
    { query: "river", document: "stone", label: "false" },
  ];
  const of = (...more: object[]) => evaluated({ model: MODEL, data: jsonl(...rows, ...more), dtype: "float32" });
  const { loss: _, ...expected } = await of();
  const again = { query: "old wall", document: "stone", label: false };
  const lists = jsonl(
    { query: "old wall", positive: "stone", negatives: ["a boat"] },
    { query: "old wall", positive: "stone", negatives: [] },
  );
  const { loss: __, ...found } = await of(again);
  expect(found).toEqual(expected);
  // The query without a relevant document counts as 0.
  const listed = await evaluated({ model: MODEL, data: lists, dtype: "float32" });
  for (const name of ["mrr@10", "ndcg@10", "map"]) expect(listed[name]! / 2).toBeCloseTo(expected[name]!, 10);
});

test("the library's model scores pairs", async () => {
  using model = await load({ model: MODEL, dtype: "float32" });
  expect(model.task).toBe("reranking");
  const [found] = await model.predict([
    { query: "small boat", document: "The small boat left the harbour before sunrise." },
  ]);
  expect(found!.score).toBeCloseTo((await scores({ model: MODEL }))[0]!, 5);
});

test("a checkpoint of regression is a reranker if the user says so", async () => {
  const model = join(BERT, "regression");
  const input = file("pairs");
  const [values] = [await predicted({ model, input, textColumns: ["query", "document"], dtype: "float32" })];
  const found = await evaluated({ model, task: "reranking", data: file("scored"), dtype: "float32" });
  expect(Object.keys(found)).toContain("ndcg@10");
  expect(Object.keys(values[0]!)).toEqual(["value"]);
});

describe("what gives nothing to learn, or another meaning, is refused", () => {
  const scored = (...labels: unknown[]) =>
    jsonl(...labels.map((label, i) => ({ query: "q", document: `d ${i}`, label })));
  const listed = (...rows: object[]) => jsonl(...rows.map((row) => ({ query: "a b", positive: "c", ...row })));

  test.each<[string, RunSettings, string]>([
    [
      "listwise of scores",
      { loss: "listwise", train: file("scored") },
      "--loss listwise takes rows with query, positive and",
    ],
    [
      "a list without negatives",
      { train: listed({ negatives: ["d"] }, { negatives: [] }) },
      "line 2 has none: remove the row",
    ],
    [
      "levels with two losses",
      { method: "bidora", upperTrain: file("scored") },
      "The rows of --train have the loss listwise and those of --upper-train binary-cross-entropy",
    ],
    [
      "a list of the upper level without negatives",
      { method: "bidora", upperTrain: listed({ negatives: ["d"] }, { negatives: [] }) },
      "line 2 has none: remove the row",
    ],
    [
      "one label of the upper level",
      { method: "bidora", train: file("scored"), upperTrain: scored(1, 1) },
      "All documents of the training rows of the upper level have the relevance 1",
    ],
    ["one label", { train: scored(1, true, "1") }, "All documents of the training rows have the relevance 1"],
    [
      "a score beyond 1",
      { train: scored(0, 3) },
      "line 2: the column label must hold a number from 0 to 1, or true or false, but holds 3",
    ],
    [
      "a label's name",
      { train: scored("relevant") },
      'the column label must hold a number from 0 to 1, or true or false, but holds "relevant"',
    ],
    [
      "a positive among the negatives",
      { train: listed({ negatives: ["d", "c"] }) },
      "line 1: the positive is among the negatives too",
    ],
    [
      "no label",
      { train: jsonl({ query: "a", document: "b" }) },
      "has query and document, but neither score nor label",
    ],
    [
      "other columns",
      { train: jsonl({ question: "a", answer: "b" }) },
      "the columns are question, answer: name them with --text-columns",
    ],
    ["another task's loss", { loss: "cosent" }, "--loss cosent (applies only with --task embedding)"],
    ["its loss for embeddings", { task: "embedding", loss: "mse" }, "--loss mse (applies only with --task reranking)"],
    ["a setting of embeddings", { temperature: 1 }, "--temperature (applies only with --task embedding"],
    [
      "a loss for another task",
      { task: "sequence-classification", loss: "mse", train: join(ROWS, "train.jsonl") },
      "--loss (applies only with --task embedding, reranking or preference)",
    ],
  ])("%s", async (_, settings, message) => {
    await expect(run({ ...SMALL, method: "lora", ...settings })).rejects.toThrow(message);
  });

  test.each([
    [
      "activation_fn",
      "torch.nn.modules.activation.Softplus",
      'the activation function "torch.nn.modules.activation.Softplus"',
    ],
    ["activation_fn", "my_module.Sigmoid", 'the activation function "my_module.Sigmoid"'],
    ["default_prompt_name", "q", 'the default prompt "q"'],
  ])("a folder with another %s", async (key, value, message) => {
    const folder = fresh("model");
    cpSync(MODEL, folder, { recursive: true });
    const name = join(folder, "config_sentence_transformers.json");
    writeFileSync(name, JSON.stringify({ ...json<object>(name), prompts: { q: "query: " }, [key]: value }));
    await expect(scores({ model: folder })).rejects.toThrow(message);
    expect((await bidora("inspect", folder)).stdout + (await bidora("inspect", folder)).stderr).toContain(value);
  });

  test("a folder with settings of its own for the tokenizer", async () => {
    const folder = fresh("model");
    cpSync(MODEL, folder, { recursive: true });
    const settings = (tokenizer_args: object) =>
      writeFileSync(join(folder, "sentence_bert_config.json"), JSON.stringify({ tokenizer_args }));
    settings({ do_lower_case: false });
    await expect(scores({ model: folder })).rejects.toThrow("has the setting tokenizer_args, which is not supported");
    settings({ trust_remote_code: true });
    expect(await scores({ model: folder })).toEqual(await scores({ model: MODEL }));
  });

  test("a folder whose scores come from the words yes and no", async () => {
    const folder = fresh("model");
    cpSync(MODEL, folder, { recursive: true });
    const modules = [
      { type: "sentence_transformers.base.modules.Transformer" },
      { type: "sentence_transformers.cross_encoder.modules.LogitScore" },
    ];
    writeFileSync(join(folder, "modules.json"), JSON.stringify(modules));
    await expect(scores({ model: folder })).rejects.toThrow("has the module LogitScore at this place");
    expect(list(folder)).toContain("modules.json");
  });
});
