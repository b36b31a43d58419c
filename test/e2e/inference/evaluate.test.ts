import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type EvaluateSettings, evaluate } from "../../../src/app/commands/models/evaluate.js";
import { BERT, bidora, evaluated, fresh, GOLDEN, jsonl, predicted, ROWS, readRows, run } from "../support.js";

const CASES = [
  ["sequence-classification", join(BERT, "single"), join(ROWS, "pairs.jsonl")],
  ["multi-label-classification", join(BERT, "multi"), join(ROWS, "multi.jsonl")],
  ["regression", join(BERT, "regression"), join(ROWS, "regression.jsonl")],
  ["token-classification", join(BERT, "tokens"), join(ROWS, "tokens.jsonl")],
  ["question-answering", join(BERT, "questions"), join(ROWS, "questions.jsonl")],
] as const;

const fileOf = (rows: readonly object[]): string => jsonl(...rows);

describe.each(CASES)("%s", (task, model, data) => {
  test("predictions in a file get the figures of the model that made them", async () => {
    const { loss: _, ...metrics } = await evaluated({ model, task, data });
    const predictions = fileOf(await predicted({ model, input: data }));
    expect(await evaluate({ task, data, predictions })).toMatchObject({ metrics });
  });

  test("every metric has a confidence interval or a reason for none, reproducible by its seed", async () => {
    const predictions = fileOf(await predicted({ model, input: data }));
    const scored = (given: EvaluateSettings) => evaluate({ task, data, predictions, confidence: 0.9, ...given });
    const { metrics, intervals, notes } = await scored({});
    expect(Object.keys(intervals ?? {})).toEqual(Object.keys(metrics));
    const without = Object.entries(intervals ?? {}).flatMap(([name, interval]) => (interval ? [] : [name]));
    expect(notes).toEqual([
      expect.stringMatching(`^No interval for ${without.join(", ")}: . rows are too few for the bootstrap`),
    ]);
    for (const interval of Object.values(intervals ?? {}))
      if (interval) expect(interval.low).toBeLessThanOrEqual(interval.high);
    expect((await scored({})).intervals).toEqual(intervals);
  });

  test("--limit evaluates and predicts only the first rows", async () => {
    const two = readRows(data).slice(0, 2);
    expect(await evaluated({ model, task, data, limit: 2 })).toEqual(
      await evaluated({ model, task, data: fileOf(two) }),
    );
    expect(await predicted({ model, input: data, limit: 2 })).toEqual(await predicted({ model, input: fileOf(two) }));
  });
});

test("confidence intervals narrow with lower confidence and depend on the seed", async () => {
  const labels = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? "a" : "b"));
  const data = fileOf(labels.map((label) => ({ text: "x", label })));
  const predictions = fileOf(labels.map((_, i) => ({ label: i % 2 === 0 ? "a" : "b" })));
  const scored = async (given: EvaluateSettings) =>
    (await evaluate({ task: "sequence-classification", data, predictions, ...given })).intervals?.f1;
  const [wide, narrow, other] = [
    await scored({ confidence: 0.95 }),
    await scored({ confidence: 0.5 }),
    await scored({ confidence: 0.95, seed: 1 }),
  ];
  expect(wide!.low).toBeLessThan(narrow!.low);
  expect(wide!.high).toBeGreaterThan(narrow!.high);
  expect(other).not.toEqual(wide);
});

describe("predictions in a file", () => {
  const data = fileOf(["a", "b", "a"].map((label) => ({ text: "x", label })));
  const task = "sequence-classification";

  test("may contain labels that no row has, which count as wrong", async () => {
    const predictions = fileOf(["a", "c", "c"].map((label) => ({ label })));
    const { metrics } = await evaluate({ task, data, predictions });
    expect(metrics.accuracy).toBeCloseTo(1 / 3, 12);
    // a: precision 1, recall 1/2; b and c: none right.
    expect(metrics.macroF1).toBeCloseTo(2 / 3 / 3, 12);
  });

  test("may contain a model's LABEL_0 names, which are mapped to a named data set's ids", async () => {
    const folder = fresh("MRPC");
    mkdirSync(folder);
    const rows = [1, 0, 0].map((quality) => `${quality}\t1\t2\tone\ttwo\n`).join("");
    writeFileSync(join(folder, "dev.tsv"), `Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n${rows}`);
    const scored = async (...labels: readonly (string | number)[]) =>
      (
        await evaluate({
          task: "glue/mrpc",
          data: folder,
          predictions: fileOf(labels.map((label) => ({ label }))),
        })
      ).metrics;
    const named = await scored("equivalent", "not_equivalent", "equivalent");
    expect(named).toEqual({ accuracy: 2 / 3, f1: 2 / 3 });
    expect(await scored("LABEL_1", "LABEL_0", "LABEL_1")).toEqual(named);
    expect(await scored(1, 0, 1)).toEqual(named);
    expect(await scored("Equivalent", "NOT_EQUIVALENT", "equivalent")).toEqual(named);
    await expect(scored("yes", "no", "yes")).rejects.toThrow(
      /none of the predicted labels \(yes, no\) occurs in the rows \(not_equivalent, equivalent\)/,
    );
  });

  test("may contain integer labels", async () => {
    const numbered = fileOf([0, 1, 1].map((label) => ({ text: "x", label })));
    const predictions = fileOf([0, 1, 0].map((label) => ({ label })));
    expect((await evaluate({ task, data: numbered, predictions })).metrics.accuracy).toBeCloseTo(2 / 3, 12);
  });

  test("have the F1 of the named data set's positive label", async () => {
    const folder = fresh("MRPC");
    const rows = [1, 1, 0].map((quality) => `${quality}\t1\t2\tone\ttwo\n`).join("");
    mkdirSync(folder);
    writeFileSync(join(folder, "dev.tsv"), `Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n${rows}`);
    const labels = ["equivalent", "not_equivalent", "not_equivalent"].map((label) => ({ label }));
    const { metrics } = await evaluate({ task: "glue/mrpc", data: folder, predictions: fileOf(labels) });
    expect(metrics).toEqual({ accuracy: 2 / 3, f1: 2 / 3 });
  });

  test.each([
    [[{ label: "a" }], "has 1 predictions, but .* has 3 labeled rows: expected one per row"],
    [
      [{ label: "a" }, { value: 1 }, { label: "b" }],
      "line 2: expected a prediction for sequence-classification, but .* is invalid",
    ],
    [[{ label: "a" }, { label: null }, { label: "b" }], "line 2: .*label is invalid"],
  ])("%o are refused", async (rows, sentence) => {
    await expect(evaluate({ task, data, predictions: fileOf(rows) })).rejects.toThrow(new RegExp(sentence));
  });

  test("need a task and no model", async () => {
    const predictions = fileOf(["a", "b", "a"].map((label) => ({ label })));
    await expect(evaluate({ data, predictions })).rejects.toThrow("--task is missing");
    for (const given of [{ model: "m" }, { adapter: "a" }, { batchSize: 1 }, { trainOn: "all" }, { beams: 2 }] as const)
      await expect(evaluate({ task, data, predictions, ...given })).rejects.toThrow(
        /^No effect here: --[a-z-]+ \(applies only without --predictions/,
      );
  });

  test("with texts are scored against a row's references", async () => {
    const rows = fileOf([
      { references: ["the cat sat", "a cat"] },
      { prompt: "p", completion: "the dog ran home now" },
    ]);
    const right = fileOf([{ text: " the cat sat" }, { text: "the dog ran home now" }]);
    const wrong = fileOf([{ text: "the dog ran home now" }, { text: "the cat sat" }]);
    const scored = async (predictions: string) =>
      (await evaluate({ task: "causal-lm", data: rows, predictions })).metrics;
    expect((await scored(right)).bleu).toBe(1);
    expect((await scored(right)).rougeL).toBe(1);
    expect((await scored(wrong)).rougeL).toBeLessThan(0.5);
    await expect(scored(fileOf([{ text: "one" }]))).rejects.toThrow("has 1 predictions");
  });
});

test("a metric setting without effect is refused", async () => {
  const flags = ["evaluate", "--model", join(BERT, "single"), "--data", join(ROWS, "pairs.jsonl")];
  for (const [option, why] of [
    [["--seed", "1"], "--seed"],
    [["--texts"], "--texts"],
    [["--beams", "2"], "--beams"],
    [["--split", "test"], "--split"],
  ] as const) {
    const { status, stderr } = await bidora(...flags, ...option);
    expect([status, stderr]).toEqual([2, expect.stringContaining(`No effect here: ${why}`)]);
  }
});

test("evaluate prints every metric in one table with its interval", async () => {
  const flags = ["--model", join(BERT, "single"), "--data", join(ROWS, "pairs.jsonl"), "--confidence", "0.9"];
  const { status, stdout } = await bidora("evaluate", ...flags, "--json");
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    accuracy: expect.any(Number),
    loss: expect.any(Number),
    intervals: { accuracy: { low: expect.any(Number), high: expect.any(Number), method: "wilson" }, macroF1: null },
    notes: [expect.stringContaining("No interval for macroF1")],
  });
  const { stdout: table, stderr } = await bidora("evaluate", ...flags);
  expect(table).toMatch(/metric +value +from +to +by\n/);
  expect(table).toMatch(/\naccuracy +[\d.]+ +[\d.]+ +[\d.]+ +wilson\n/);
  expect(stderr).toContain("No interval for macroF1");
});

test("constant predictions have correlations of 0 and a note, in JSON too", async () => {
  const data = fileOf([1, 2, 3].map((label) => ({ text: "x", label })));
  const flags = [
    "--task",
    "regression",
    "--data",
    data,
    "--predictions",
    fileOf([1, 2, 3].map(() => ({ value: 2.5 }))),
  ];
  const { stdout, stderr } = await bidora("evaluate", ...flags, "--json");
  const note = "The predictions are constant: correlations are undefined (scipy gives nan), and reported as 0.";
  expect(JSON.parse(stdout)).toMatchObject({ pearson: 0, spearman: 0, notes: [note] });
  expect(stderr).toContain(note);
});

describe("generated texts", () => {
  const model = join(GOLDEN, "gpt2/lm");
  const rows = [
    { prompt: "the cat", completion: " sat on the mat" },
    { prompt: "the dog", completion: " ran" },
    { prompt: "the cat", completion: " slept" },
  ];
  const settings = { model, task: "causal-lm", data: fileOf(rows), texts: true, maxNewTokens: 6 } as const;

  test("are scored beside the loss, as a file with them would be", async () => {
    const all = await evaluated(settings);
    expect(Object.keys(all)).toEqual(
      expect.arrayContaining(["bleu", "rougeL", "chrf", "chrfPlusPlus", "perplexity", "loss"]),
    );
    const { loss, perplexity, tokenAccuracy, ...ofTexts } = all;
    const input = fileOf([{ prompt: "the cat" }, { prompt: "the dog" }]);
    const predictions = fileOf(await predicted({ model, input, maxNewTokens: 6 }));
    const data = fileOf([
      { prompt: "the cat", references: ["sat on the mat", "slept"] },
      { prompt: "the dog", references: ["ran"] },
    ]);
    expect((await evaluate({ task: "causal-lm", data, predictions })).metrics).toEqual(ofTexts);
    // The same rows, of which two have one prompt.
    expect((await evaluate({ task: "causal-lm", data: settings.data, predictions })).metrics).toEqual(ofTexts);
    const each = await evaluated({ model, task: "causal-lm", data });
    expect(each.tokens).toBe(undefined);
    expect(perplexity).toBeGreaterThan(1);
    expect(loss).toBeCloseTo(Math.log(perplexity as number), 6);
    expect(tokenAccuracy).toBeGreaterThanOrEqual(0);
  });

  test("of one prompt count as one row of a confidence interval", async () => {
    const spread = (prompts: number) =>
      fileOf(
        Array.from({ length: 2 * prompts }, (_, i) => ({
          prompt: `the cat ${i >> 1}`,
          completion: " sat".repeat(1 + (i % 5)),
        })),
      );
    const scored = (prompts: number) =>
      evaluate({ model, task: "causal-lm", data: spread(prompts), confidence: 0.9, batchSize: 32 });
    const few = await scored(29);
    expect(few.intervals).toEqual({ perplexity: null, tokenAccuracy: null });
    expect(few.notes).toEqual([expect.stringContaining("29 prompts are too few for the bootstrap")]);
    const { metrics, intervals } = await scored(30);
    expect(intervals?.perplexity?.low).toBeLessThan(metrics.perplexity as number);
    expect(intervals?.perplexity?.high).toBeGreaterThan(metrics.perplexity as number);
  });

  test("are scored against all references of the first --limit prompts", async () => {
    const one = await evaluated({ ...settings, limit: 1 });
    const [cat, , again] = rows;
    expect(one).toEqual(await evaluated({ ...settings, data: fileOf([cat, again] as object[]) }));
  });

  test("of several references: the loss is over each reference", async () => {
    const spread = fileOf(["one two", "three"].map((completion) => ({ prompt: "the cat", completion })));
    const together = fileOf([{ prompt: "the cat", references: ["one two", "three"] }]);
    const foretold = (data: string) => evaluated({ model, task: "causal-lm", data });
    const [a, b] = [await foretold(spread), await foretold(together)];
    expect(b.perplexity).toBeCloseTo(a.perplexity as number, 10);
    await expect(foretold(fileOf([{ prompt: "a", completion: "b", references: ["c"] }]))).rejects.toThrow(
      "both completion and references",
    );
    await expect(foretold(fileOf([{ prompt: "a", references: [] }]))).rejects.toThrow("non-empty list of strings");
  });
});

describe("a run's evaluation", () => {
  const train = fileOf(
    Array.from({ length: 20 }, (_, i) => ({
      sentence1: `word ${i}`,
      sentence2: "the",
      label: i % 2 ? "alpha" : "beta",
    })),
  );
  const validation = fileOf(
    Array.from({ length: 6 }, (_, i) => ({
      sentence1: `next ${i}`,
      sentence2: "the",
      label: i % 3 ? "alpha" : "beta",
    })),
  );
  const small = { method: "lora", train, validation, maxSteps: 4, dtype: "float32" } as const;

  test("says if correlations of its predictions are undefined", async () => {
    const rows = join(ROWS, "regression.jsonl");
    const one = fileOf(readRows(rows).slice(0, 1));
    const settings = ["--model", join(BERT, "regression"), "--task", "regression", "--max-steps", "1"];
    const notesOf = async (validation: string) =>
      (await bidora("finetune", ...settings, "--train", rows, "--validation", validation, "--output", fresh("run")))
        .stderr;
    const note = "On the validation rows: The predictions are constant: correlations are undefined";
    expect(await notesOf(one)).toContain(note);
    expect(await notesOf(rows)).not.toContain(note);
  });

  test("writes its prediction for each validation row", async () => {
    const { output, metrics } = await run({ ...small, test: validation });
    for (const name of ["validation-predictions.jsonl", "test-predictions.jsonl"]) {
      const rows = readRows(join(output, name)) as unknown as {
        line: number;
        text: string;
        reference: number;
        prediction: object;
      }[];
      expect(rows.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(rows.map(({ text }) => text)).toEqual(
        [0, 1, 2, 3, 4, 5].map(() => expect.stringMatching(/^\S.* \[SEP\] the$/)),
      );
      expect(Object.keys(rows[0]!.prediction)).toEqual(["label", "score"]);
      const labels = ["alpha", "beta", "gamma"];
      const right = rows.filter(
        ({ reference, prediction }) => labels[reference] === (prediction as { label: string }).label,
      );
      expect(right.length / 6).toBeCloseTo(metrics.accuracy as number, 12);
    }
  });

  test("uses held-out rows during training, and validation rows at the end", async () => {
    const { events, metrics } = await run({ ...small, holdoutFraction: 0.2, evalEvery: 2, earlyStopping: 1 });
    expect(events[0]).toMatchObject({ rows: { train: 16, validation: 6 } });
    const evaluations = events.filter((event) => event.event === "evaluation");
    expect(evaluations.at(-1)?.metrics).toEqual(metrics);
    expect(Object.keys(metrics)).toEqual(expect.arrayContaining(["accuracy", "holdout_accuracy", "holdout_loss"]));
    const held = evaluations.slice(0, -1).map((event) => event.metrics.loss);
    expect(held.length).toBeGreaterThan(0);
    expect(held).toContain(metrics.holdout_loss);
    expect(held).not.toContain(metrics.loss);
    expect(events.at(-1)).not.toHaveProperty("chosenBy");
  });

  test("can use held-out rows without validation rows", async () => {
    const { metrics } = await run({ ...small, validation: undefined, holdoutFraction: 0.2, evalEvery: 4 });
    expect(Object.keys(metrics).every((name) => name.startsWith("holdout_"))).toBe(true);
    expect(metrics.holdout_accuracy).toBeGreaterThanOrEqual(0);
  });

  test("limits the number of rows, and takes labels from all", async () => {
    const rare = fileOf([...readRows(train), { sentence1: "x", sentence2: "the", label: "gamma" }]);
    const { events, output } = await run({ ...small, train: rare, trainLimit: 3 });
    expect(events[0]).toMatchObject({ rows: { train: 3 } });
    expect(readRows(join(output, "validation-predictions.jsonl")).length).toBe(6);
    await expect(run({ ...small, trainLimit: 30 })).rejects.toThrow("--train-limit 30 is more than the 20");
  });
});
