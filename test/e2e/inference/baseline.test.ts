// What evaluate shows beside an adapter: the base model or one prediction for every row, and the rows that changed.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type EvaluateSettings, evaluate } from "../../../src/app/commands/models/evaluate.js";
import { findModel, openForInference } from "../../../src/use/inference/index.js";
import { BERT, bidora, changed, GOLDEN, json, jsonl, predicted, ROWS, readRows, run } from "../support.js";
import { MODEL as CHAT_MODEL, PAIRS, SMALL_RUN } from "../training/preferenceRows.js";

const ADAPTERS = join(BERT, "adapters");
const SINGLE = join(BERT, "single");
const rowsOf = (name: string): string => join(ROWS, `${name}.jsonl`);
const measured = (given: EvaluateSettings) => evaluate({ dtype: "float32", ...given });

/** Adapters on models with a head of their own, and rows for them. */
const ADAPTED = [
  ["LoRA", "sequence-classification", SINGLE, join(ADAPTERS, "lora"), rowsOf("pairs")],
  ["LoRA and all biases", "sequence-classification", SINGLE, join(ADAPTERS, "lora-bias-all"), rowsOf("pairs")],
  ["LoRA on embeddings", "sequence-classification", SINGLE, join(ADAPTERS, "lora-embedding"), rowsOf("pairs")],
  ["DoRA", "sequence-classification", SINGLE, join(ADAPTERS, "dora-all-linear"), rowsOf("pairs")],
  ["VeRA", "sequence-classification", SINGLE, join(ADAPTERS, "vera"), rowsOf("pairs")],
  ["IA3", "sequence-classification", SINGLE, join(ADAPTERS, "ia3"), rowsOf("pairs")],
  [
    "PiSSA, which changes base weights",
    "sequence-classification",
    SINGLE,
    join(GOLDEN, "starts/pissa"),
    rowsOf("pairs"),
  ],
  ["several labels", "multi-label-classification", join(BERT, "multi"), join(ADAPTERS, "multi-lora"), rowsOf("multi")],
  ["numbers", "regression", join(BERT, "regression"), join(ADAPTERS, "regression-lora"), rowsOf("regression")],
  ["words", "token-classification", join(BERT, "tokens"), join(ADAPTERS, "tokens-dora"), rowsOf("tokens")],
] as const;

describe.each(ADAPTED)("%s", (_, task, model, adapter, data) => {
  test("the base model's metrics are those of evaluate without the adapter, whose own do not change", async () => {
    const { baseline, metrics, notes, rows } = await measured({ model, task, adapter, data });
    expect(baseline).toEqual({ of: "base", metrics: (await measured({ model, task, data })).metrics });
    expect(metrics).not.toEqual(baseline!.metrics);
    expect(await measured({ model, task, adapter, data, baseline: false })).toEqual({
      ...{ metrics, rows },
      ...(notes && { notes }),
    });
    // predict attaches the adapter at once.
    const predictions = jsonl(...(await predicted({ model, adapter, input: data })));
    const { loss: _loss, ...own } = metrics;
    expect((await evaluate({ task, data, predictions })).metrics).toEqual(own);
  });
});

test.each([
  ["sequence-classification", SINGLE, join(ADAPTERS, "dora-all-linear"), rowsOf("pairs"), "label", "label"],
  ["multi-label-classification", join(BERT, "multi"), join(ADAPTERS, "multi-dora"), rowsOf("multi"), "label", "labels"],
  ["token-classification", join(BERT, "tokens"), join(ADAPTERS, "tokens-lora"), rowsOf("tokens"), "labels", "labels"],
] as const)(
  "the rows that changed are those of the predictions: %s",
  async (task, model, adapter, data, key, found) => {
    const given = readRows(data);
    // Their labels are what the base model predicts, for every second row what the adapter does.
    const [base, own] = [await predicted({ model, input: data }), await predicted({ model, adapter, input: data })];
    // A word without tokens has no predicted label, and is wrong.
    const labelOf = (label: unknown) => (Array.isArray(label) ? label.map((name) => name ?? "O") : label);
    const labels = given.map((_, i) => labelOf((i % 2 ? own : base)[i]![found]));
    const rows = given.map((row, i) => ({ ...row, [key]: labels[i] }));
    const isRight = (predictions: typeof base) =>
      predictions.map((row, i) => JSON.stringify(row[found]) === JSON.stringify(labels[i]));
    const [before, after] = [isRight(base), isRight(own)];
    const { changes } = await measured({ model, task, adapter, data: jsonl(...rows) });
    expect(changes).toMatchObject({
      fixed: before.filter((was, i) => !was && after[i]).length,
      broken: before.filter((was, i) => was && !after[i]).length,
    });
    expect(changes!.fixed + changes!.broken).toBeGreaterThan(0);
  },
);

test("tasks without right and wrong rows have no changes", async () => {
  const [model, adapter] = [join(BERT, "regression"), join(ADAPTERS, "regression-lora")];
  const { baseline, changes } = await measured({ model, adapter, data: rowsOf("regression") });
  expect(baseline).toMatchObject({ of: "base" });
  expect(changes).toBeUndefined();
});

describe("the base model's own labels", () => {
  const adapter = () => run({ maxSteps: 20 }).then(({ output }) => output);

  test("count in the base model's order", async () => {
    const names = ["gamma", "alpha", "beta"];
    const model = changed("bert/single", "config.json", {
      id2label: Object.fromEntries(names.map((name, id) => [id, name])),
      label2id: Object.fromEntries(names.map((name, id) => [name, id])),
    });
    const of = await adapter();
    const [data, batchSize] = [rowsOf("train"), 4];
    const { baseline, changes, metrics } = await measured({ model, adapter: of, data, batchSize });
    const alone = await measured({ model, data, batchSize });
    expect(baseline).toEqual({ of: "base", metrics: alone.metrics });
    expect(metrics).toEqual((await measured({ adapter: of, data, batchSize })).metrics);
    const { fixed, broken } = changes!;
    expect((fixed - broken) / alone.rows).toBeCloseTo(metrics.accuracy! - alone.metrics.accuracy!, 12);
  });

  test.each([
    ["other names", { id2label: { 0: "x", 1: "y", 2: "z" }, label2id: { x: 0, y: 1, z: 2 } }],
    ["another task", { problem_type: "multi_label_classification" }],
    ["no head", { architectures: ["BertModel"] }],
  ])("%s: the majority is beside the adapter", async (_, config) => {
    const model = changed("bert/single", "config.json", config);
    const { baseline } = await measured({ model, adapter: await adapter(), data: rowsOf("train") });
    expect(baseline!.of).toBe("majority");
  });
});

describe("a new head", () => {
  const train = jsonl(...["a", "b", "b", "b"].map((label, i) => ({ text: `boat ${i}`, label })));
  const data = jsonl(...["a", "a", "a", "b"].map((label, i) => ({ text: `rain ${i}`, label })));
  const trained = async () => (await run({ model: join(BERT, "no-prefix"), train, maxSteps: 1 })).output;

  test("has the training rows' majority beside it, which the run remembers", async () => {
    const adapter = await trained();
    expect(json(join(adapter, "bidora.json")).majority).toBe("b");
    const { baseline, changes, notes } = await measured({ adapter, data });
    expect(baseline).toEqual({ of: "majority", metrics: { accuracy: 0.25, f1: 0 } });
    expect(notes).toEqual([expect.stringMatching(/predicts "b" for every row, by the labels of the training rows/)]);
    expect(changes!.fixed + changes!.broken).toBeGreaterThanOrEqual(0);
  });

  test("is new too if the base model only claims to have a head, without weights", async () => {
    const named = { architectures: ["BertForSequenceClassification"], id2label: { 0: "a", 1: "b" } };
    const model = changed("bert/no-prefix", "config.json", { ...named, label2id: { a: 0, b: 1 } });
    const { output } = await run({ model, train, maxSteps: 1 });
    expect((await measured({ model, adapter: output, data })).baseline!.of).toBe("majority");
  });

  test("of an adapter that remembers none has that of the evaluated rows, which may be limited", async () => {
    const adapter = await trained();
    const { majority: _, ...metadata } = json(join(adapter, "bidora.json"));
    writeFileSync(join(adapter, "bidora.json"), JSON.stringify(metadata));
    const { baseline, notes } = await measured({ adapter, data });
    expect(baseline).toEqual({ of: "majority", metrics: { accuracy: 0.75, f1: 6 / 7 } });
    expect(notes).toEqual([expect.stringMatching(/predicts "a" for every row, by the labels of the evaluated rows/)]);
    expect((await measured({ adapter, data, limit: 3 })).baseline!.metrics.accuracy).toBe(1);
  });

  test.each([
    ["regression", jsonl({ text: "boat", label: 1 }, { text: "rain", label: 4 }), 2.5, { meanSquaredError: 2.25 }],
    ["token-classification", rowsOf("tokens"), expect.any(String), { accuracy: expect.any(Number) }],
    ["multi-label-classification", rowsOf("multi"), expect.any(Array), { microF1: expect.any(Number) }],
  ] as const)("for %s", async (task, rows, majority, metrics) => {
    const { output } = await run({ model: join(BERT, "no-prefix"), task, train: rows, validation: rows, maxSteps: 1 });
    expect(json(join(output, "bidora.json")).majority).toEqual(majority);
    const { baseline } = await measured({ adapter: output, data: rows });
    expect(baseline).toMatchObject({ of: "majority", metrics });
    // The run's file says how sure a wrong row was, if its predictions are right or wrong.
    const kept = readRows(join(output, "validation-predictions.jsonl")) as unknown as { prediction: object }[];
    expect(kept.some(({ prediction }) => "score" in prediction)).toBe(task !== "regression");
    // As the run itself has it.
    const done = readRows(join(output, "events.jsonl")).find(({ event }) => event === "done");
    expect(baseline!.metrics).toEqual(done!.majority);
  });

  test("for a task without such a prediction has nothing beside it", async () => {
    const questions = rowsOf("questions");
    const model = join(BERT, "no-prefix");
    const { output } = await run({ model, task: "question-answering", train: questions, maxSteps: 1 });
    expect(await measured({ adapter: output, data: questions })).not.toHaveProperty("baseline");
    for (const baseline of [true, false])
      await expect(measured({ adapter: output, data: questions, baseline })).rejects.toThrow(
        /^No effect here: --(no-)?baseline \(applies only without --predictions and with --adapter, where the base model has the head/,
      );
  });
});

describe("language models", () => {
  const model = join(GOLDEN, "gpt2/lm");
  const rows = jsonl({ prompt: "the cat", completion: " sat on" }, { prompt: "the dog", completion: " ran" });
  const trained = async () => (await run({ model, task: "causal-lm", train: rows, maxSteps: 4, maxLength: 32 })).output;

  test("have the base model's perplexity beside them, and its texts only if asked for", async () => {
    const adapter = await trained();
    const asked = { model, adapter, data: rows, task: "causal-lm", batchSize: 2 } as const;
    const alone = { model, data: rows, task: "causal-lm", maxLength: 32, batchSize: 2 } as const;
    expect((await measured(asked)).baseline).toEqual({ of: "base", metrics: (await measured(alone)).metrics });
    const texts = { texts: true, maxNewTokens: 3 } as const;
    expect(await measured({ ...asked, ...texts })).not.toHaveProperty("baseline");
    const { baseline } = await measured({ ...asked, ...texts, baseline: true });
    expect(baseline).toEqual({ of: "base", metrics: (await measured({ ...alone, ...texts })).metrics });
    await expect(measured({ ...asked, ...texts, baseline: false })).rejects.toThrow(
      "No effect here: --no-baseline (applies only if no generated texts are scored); add what it needs, or leave it out.",
    );
  });

  test("of preferences are compared with the base model once loaded", async () => {
    const train = jsonl(...PAIRS);
    const { output } = await run({ ...SMALL_RUN, train, maxSteps: 4 });
    const asked = { model: CHAT_MODEL, data: train, task: "preference" } as const;
    const { baseline, metrics } = await measured({ ...asked, adapter: output });
    expect(metrics.rewards_margin).toBeGreaterThan(0);
    expect(baseline).toEqual({ of: "base", metrics: expect.objectContaining({ rewards_margin: 0 }) });
    const alone = await measured({
      ...asked,
      maxLength: json<{ maxLength: number }>(join(output, "bidora.json")).maxLength,
    });
    expect(baseline!.metrics).toEqual(alone.metrics);
  });
});

test("embeddings are compared with the base model's, the corpus too", async () => {
  const [model, data] = [join(GOLDEN, "embeddings/bert-mean"), join(GOLDEN, "embeddings/pairs.jsonl")];
  const corpus = jsonl(...["red harbour", "old letter", "tree wall"].map((text) => ({ text })));
  const { output } = await run({ model, task: "embedding", train: data, maxSteps: 4 });
  const alone = await measured({ model, task: "embedding", data, corpus, limit: 6 });
  const { baseline, metrics } = await measured({ model, adapter: output, data, corpus, limit: 6 });
  expect(baseline).toEqual({ of: "base", metrics: alone.metrics });
  const { metrics: own } = await measured({ model, adapter: output, data, corpus, limit: 6, baseline: false });
  expect(metrics).toEqual(own);
});

describe("the command", () => {
  const flags = ["evaluate", "--model", SINGLE, "--data", rowsOf("pairs")];

  test("prints the baseline as a column and the changes in a sentence, and both as JSON", async () => {
    const adapted = [...flags, "--adapter", join(ADAPTERS, "lora")];
    const { stdout } = await bidora(...adapted, "--confidence", "0.9");
    expect(stdout).toMatch(/^metric +value +from +to +by +base\naccuracy +[\d.]+ +[\d.]+ +[\d.]+ +wilson +[\d.]+\n/);
    expect(stdout).toMatch(
      /\nAgainst base, \d of \d rows went from wrong to right, \d from right to wrong: [+−][\d.]+ points of right rows \(95 % interval [+−][\d.]+ to [+−][\d.]+\)\.\n$/,
    );
    const { stdout: text } = await bidora(...adapted, "--json");
    expect(JSON.parse(text)).toMatchObject({
      baseline: { of: "base", accuracy: expect.any(Number), loss: expect.any(Number) },
      changes: { fixed: 0, broken: 1, low: expect.any(Number), high: expect.any(Number) },
    });
    expect(JSON.parse((await bidora(...adapted, "--json", "--no-baseline")).stdout)).not.toHaveProperty("baseline");
  });

  test.each([
    ["no adapter", "--baseline", []],
    ["no adapter", "--no-baseline", []],
    ["predictions", "--baseline", ["--predictions", "none.jsonl"]],
  ] as const)("refuses, with %s, %s", async (_, flag, more) => {
    const { status, stderr } = await bidora(...flags, ...more, flag);
    expect([status, stderr]).toEqual([2, expect.stringContaining(`${flag} (applies only`)]);
  });
});

test("the base model is evaluated without a second load, and an adapter that does not fit is refused before", async () => {
  const model = changed("bert/single", "config.json", {});
  const found = await findModel({ model, adapter: join(ADAPTERS, "lora") });
  const open = await openForInference(found, { dtype: "float32", startsAsBase: true }, undefined);
  rmSync(join(model, "model.safetensors"));
  expect(await open.withBase(async (base) => base)).toBe(open.model);
  open.attach();
  await expect(open.withBase(async (base) => base)).rejects.toThrow("no safetensors weights");
  open.model.dispose();
  const other = { ...found.adapter!, tensors: new Map([...found.adapter!.tensors].slice(1)) };
  const misfit = openForInference(
    { ...found, folder: SINGLE, adapter: other },
    { dtype: "float32", startsAsBase: true },
    undefined,
  );
  await expect(misfit).rejects.toThrow("it lacks tensors that its configuration promises");
});
