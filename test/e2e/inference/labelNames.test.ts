import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type EvaluateSettings, evaluate } from "../../../src/app/commands/models/evaluate.js";
import { BERT, changed, evaluated, fresh, json, jsonl, predicted, run, write } from "../support.js";

describe("a model with LABEL_0 names for a named data set's tags", () => {
  const folder = fresh("conll");
  let model: string;
  beforeAll(async () => {
    mkdirSync(folder);
    const text = "the DT O B-ORG\nsmall JJ O I-ORG\nboat NN O O\n\nharbour NN O B-PER\nthe DT O O\n";
    for (const name of ["train.txt", "valid.txt"]) writeFileSync(join(folder, name), text);
    const tokens = join(BERT, "tokens");
    const settings = { model: tokens, train: undefined, task: "conll2003", data: folder, method: "full" } as const;
    ({ output: model } = await run({ ...settings, maxSteps: 30, dtype: "float32" }));
    const ids = Array.from({ length: 9 }, (_, id) => [id, `LABEL_${id}`] as const);
    const names = {
      id2label: Object.fromEntries(ids),
      label2id: Object.fromEntries(ids.map(([id, name]) => [name, id])),
    };
    const config = join(model, "config.json");
    writeFileSync(config, JSON.stringify({ ...json(config), ...names }));
  });

  test("is scored by the data set's tags and entities", async () => {
    const { loss: _, ...metrics } = await evaluated({ model, task: "conll2003", data: folder });
    expect(metrics).toEqual({ accuracy: 1, precision: 1, recall: 1, f1: 1 });
  });

  test("gets the same scores on rows with tag ids", async () => {
    const data = jsonl(
      { tokens: ["the", "small", "boat"], labels: [3, 4, 0] },
      { tokens: ["harbour", "the"], labels: [1, 0] },
    );
    expect(await evaluated({ model, task: "conll2003", data })).toMatchObject({ accuracy: 1, f1: 1 });
  });
});

describe("labels are taken from all rows, also with --limit", () => {
  test("for a model: integers that are none of its ids are refused", async () => {
    const data = jsonl(...["1", "2", "3"].map((label) => ({ sentence1: "the boat", sentence2: "the", label })));
    const scored = evaluated({ model: join(BERT, "single"), data, limit: 2 });
    await expect(scored).rejects.toThrow("the label 1 is not one of the known labels: alpha, beta, gamma");
  });

  test("for predictions in a file: three labels have no positive class", async () => {
    const data = jsonl(...["a", "b", "b", "c"].map((label) => ({ text: "x", label })));
    const predictions = jsonl(...["a", "b", "a"].map((label) => ({ label })));
    const { metrics } = await evaluate({ task: "sequence-classification", data, predictions, limit: 3 });
    expect(Object.keys(metrics)).toEqual(["accuracy", "macroF1"]);
  });

  test("for predictions in a file: rows without labels are scored too", async () => {
    const data = jsonl(...[[], [], ["a"]].map((labels) => ({ text: "x", labels })));
    const predictions = jsonl({ labels: [] }, { labels: ["a"] });
    const { metrics } = await evaluate({ task: "multi-label-classification", data, predictions, limit: 2 });
    expect(metrics.subsetAccuracy).toBe(0.5);
  });
});

describe("texts in a predictions file, for rows of which some share a prompt", () => {
  const data = jsonl(
    ...[
      ["a", "one two"],
      ["a", "four five"],
      ["b", "six"],
      ["c", "x y z"],
    ].map(([prompt, completion]) => ({ prompt, completion })),
  );
  const scored = async (texts: readonly string[], limit?: number) => {
    const predictions = jsonl(...texts.map((text) => ({ text })));
    return (await evaluate({ task: "causal-lm", data, predictions, ...(limit !== undefined && { limit }) })).metrics
      .rougeL;
  };

  test("are refused if --limit makes it ambiguous which rows they are for", async () => {
    await expect(scored(["one two", "six"], 2)).rejects.toThrow(
      "With --limit 2 it is unclear whether the 2 texts are for",
    );
  });

  test("are matched to rows or to prompts, whichever are as many", async () => {
    expect(await scored(["one two"], 1).catch(() => "refused")).toBe("refused");
    expect(await scored(["four five", "six", "x y z"])).toBe(1);
    expect(await scored(["one two", "four five", "six", "x y z"])).toBe(1);
    expect(await scored(["four five", "six", "x y z"], 8)).toBe(1);
  });
});

test("predicted words other than the row's are refused with the line number", async () => {
  const rows = [
    { tokens: ["a", "b"], labels: ["O", "B-X"] },
    { tokens: ["c", "d"], labels: ["B-X", "O"] },
  ];
  const scored = (predictions: readonly object[]) =>
    evaluate({ task: "token-classification", data: jsonl(...rows), predictions: jsonl(...predictions) });
  expect((await scored(rows)).metrics.f1).toBe(1);
  expect((await scored(rows.map(({ labels }) => ({ labels })))).metrics.f1).toBe(1);
  await expect(scored(rows.toReversed())).rejects.toThrow(/line 1: the tokens differ from those in .* line 1/);
});

test("a multi-label model is refused if one of its labels has no column", async () => {
  const data = write("rows.csv", "text,north,east,south,west\nthe boat,1,0,1,0\nthe,0,1,0,1\n");
  const settings = { model: join(BERT, "multi"), task: "multi-label-classification", data } as const;
  const scored = (...labelColumn: string[]) => evaluated({ ...settings, labelColumn });
  expect(await scored("west", "east", "south", "north")).toEqual(await scored("north", "east", "south", "west"));
  await expect(scored("north", "east")).rejects.toThrow(
    "The model predicts south, west, but the data has no column for it",
  );
});

describe("LABEL_0 names of a model whose label order is unknown", () => {
  const ids = Array.from({ length: 4 }, (_, id) => [id, `LABEL_${id}`] as const);
  const id2label = Object.fromEntries(ids);
  const label2id = Object.fromEntries(ids.map(([id, name]) => [name, id]));
  const data = write("rows.csv", "text,north,east,south,west\nthe boat,1,0,1,0\nthe,0,1,0,1\n");
  const rows = { task: "multi-label-classification", data, labelColumn: ["north", "east", "south", "west"] } as const;

  test("are not mapped to the columns of a file", async () => {
    const model = changed("bert/multi", "config.json", { id2label, label2id });
    await expect(evaluated({ model, ...rows })).rejects.toThrow("The model predicts LABEL_0");
  });

  test("are refused in a file of predictions too", async () => {
    const scored = (...labels: string[]) =>
      evaluate({ ...rows, predictions: jsonl(...labels.map((label) => ({ labels: [label] }))) });
    await expect(scored("LABEL_0", "LABEL_1")).rejects.toThrow(
      "none of the predicted labels (LABEL_0, LABEL_1) occurs in the rows",
    );
    expect((await scored("south", "LABEL_0")).metrics.microPrecision).toBe(0.5);
  });

  test("names in a file of predictions, none of which is a column's, are refused as well", async () => {
    const judged = (...labels: string[]) =>
      evaluate({ ...rows, predictions: jsonl(...labels.map((label) => ({ labels: [label] }))) });
    await expect(judged("up", "down")).rejects.toThrow(
      "none of the predicted labels (up, down) occurs in the rows (east, north, south, west)",
    );
    expect((await judged("south", "down")).metrics.microPrecision).toBe(0.5);
  });
});

describe("label names in a file of predictions and integers in the rows, or the reverse,", () => {
  const pairs = (labels: readonly (string | number)[]) =>
    jsonl(...labels.map((label) => ({ sentence1: "x", sentence2: "y", label })));
  const scored = async (
    task: NonNullable<EvaluateSettings["task"]>,
    data: string,
    labels: readonly (string | number)[],
  ) => (await evaluate({ task, data, predictions: jsonl(...labels.map((label) => ({ label }))) })).metrics;

  test("are matched by a named data set's ids", async () => {
    const right = { accuracy: 1, f1: 1 };
    const names = ["equivalent", "not_equivalent"];
    expect(await scored("glue/mrpc", pairs([1, 0]), names)).toEqual(right);
    expect(await scored("glue/mrpc", pairs(names), [1, 0])).toEqual(right);
    expect(await scored("glue/mrpc", pairs(names), ["LABEL_1", "LABEL_0"])).toEqual(right);
  });

  test("are matched regardless of case", async () => {
    expect(await scored("sequence-classification", pairs(["Ham", "Spam"]), ["ham", "SPAM"])).toEqual({
      accuracy: 1,
      f1: 1,
    });
  });

  test("are matched by LABEL_0 names without a named data set", async () => {
    const metrics = await scored("sequence-classification", pairs([1, 0]), ["LABEL_1", "LABEL_0"]);
    expect(metrics).toEqual({ accuracy: 1, f1: 1 });
  });

  test("give the entities of a named data set whose rows have ids", async () => {
    const rows = (labels: readonly (string | number)[]) => jsonl({ tokens: ["a", "b", "c"], labels });
    const names = ["B-PER", "I-PER", "O"];
    const { metrics } = await evaluate({ task: "conll2003", data: rows([1, 2, 0]), predictions: rows(names) });
    expect(metrics).toEqual({ accuracy: 1, precision: 1, recall: 1, f1: 1 });
  });

  test("keep the positive class of F1 if a label is predicted that no row has", async () => {
    const names = ["equivalent", "not_equivalent", "equivalent"];
    const metrics = await scored("glue/mrpc", pairs(names), ["equivalent", "not_equivalent", "maybe"]);
    expect(metrics).toEqual({ accuracy: 2 / 3, f1: 2 / 3 });
  });

  test("are refused if nothing maps one to the other", async () => {
    const refused = "none of the predicted labels (pos, neg) occurs in the rows (0, 1)";
    await expect(scored("sequence-classification", pairs([1, 0]), ["pos", "neg"])).rejects.toThrow(refused);
    await expect(scored("sequence-classification", pairs(["a", "b"]), [1, 0])).rejects.toThrow(
      "(1, 0) occurs in the rows",
    );
    expect(await scored("sequence-classification", pairs(["a", "b"]), ["c", "c"])).toMatchObject({ accuracy: 0 });
    await expect(scored("glue/mrpc", pairs([0, 1]), ["pos", "neg"])).rejects.toThrow("(pos, neg) occurs in the rows");
    for (const task of ["glue/mrpc", "sequence-classification"] as const)
      await expect(scored(task, pairs([-1, -1]), ["equivalent", "not_equivalent"])).rejects.toThrow(
        "occurs in the rows (-1)",
      );
  });
});

describe("labels of the model that appear in neither rows nor predictions", () => {
  const rows = (key: string, each: readonly unknown[]) =>
    each.map((value) => ({ sentence1: "the boat", text: "the boat", sentence2: "the", [key]: value }));

  test.each([
    ["sequence-classification", "single", rows("label", ["alpha", "beta"])],
    ["multi-label-classification", "multi", rows("labels", [["north"], ["east"]])],
  ] as const)("count in a file of predictions too: %s", async (task, name, examples) => {
    const [model, data] = [join(BERT, name), jsonl(...examples)];
    const { loss: _, ...metrics } = await evaluated({ model, task, data });
    const predictions = jsonl(...(await predicted({ model, input: data })));
    expect((await evaluate({ task, data, predictions })).metrics).toEqual(metrics);
  });

  test("do not make the single known label of two the positive class", async () => {
    const data = jsonl(...rows("label", [1, 1]));
    const predictions = jsonl({ label: "1", logits: [0, 1] }, { label: "1", logits: [0, 2] });
    const { metrics } = await evaluate({ task: "sequence-classification", data, predictions });
    expect(metrics).toEqual({ accuracy: 1, macroF1: 1 });
  });

  test("are not assumed for a predictions file", async () => {
    const data = jsonl(...rows("label", ["a", "b"]));
    const scored = (logits: unknown) =>
      evaluate({
        task: "sequence-classification",
        data,
        predictions: jsonl(...["a", "b"].map((label) => ({ label, logits }))),
      });
    for (const logits of [undefined, null, "high", [1, 2]])
      expect((await scored(logits)).metrics).toEqual({ accuracy: 1, f1: 1 });
  });
});

test("a model for sentence pairs refuses single texts unless --text-columns names their column", async () => {
  const { output: adapter } = await run({ method: "lora", maxSteps: 1 });
  const data = jsonl({ text: "the boat", label: "alpha" }, { text: "cold rain", label: "beta" });
  const model = { model: join(BERT, "single"), adapter };
  const refused = /trained on sentence1 and sentence2, but .* has text for it: name the columns by --text-columns/;
  await expect(evaluated({ ...model, data })).rejects.toThrow(refused);
  await expect(predicted({ ...model, input: data })).rejects.toThrow(refused);
  expect(await evaluated({ ...model, data, textColumns: ["text"] })).toMatchObject({ accuracy: expect.any(Number) });
  expect(await predicted({ ...model, input: data, textColumns: ["text"] })).toHaveLength(2);
});

test("references beside a completion are refused, as in the evaluation of a model", async () => {
  const data = jsonl({ prompt: "a", references: ["x y"], completion: "p q" });
  const scored = evaluate({ task: "causal-lm", data, predictions: jsonl({ text: "p q" }) });
  await expect(scored).rejects.toThrow("line 1: a row can't have both completion and references");
});

test("scores that are all -1 count as missing", async () => {
  const rows = (labels: readonly number[]) => jsonl(...labels.map((label) => ({ text: "the boat", label })));
  const scored = (labels: readonly number[]) => evaluated({ model: join(BERT, "regression"), data: rows(labels) });
  await expect(scored([-1, -1])).rejects.toThrow(/^Every label in .* is -1: expected a file with labels/);
  expect(await scored([-1, 0])).toMatchObject({ pearson: expect.any(Number) });
  expect(await scored([-1])).toMatchObject({ meanSquaredError: expect.any(Number) });
});
