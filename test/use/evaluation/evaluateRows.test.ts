import { describe, expect, test } from "vitest";
import type { ModelInput, TaskModel } from "../../../src/models/index.js";
import { type Batch, type EncodedExample, TASKS, type Task, type TaskKind } from "../../../src/tasks/index.js";
import * as torch from "../../../src/torch/index.js";
import { evaluateRows, type WeightedLoss } from "../../../src/use/evaluation/evaluateRows.js";
import { predictRows } from "../../../src/use/evaluation/predictRows.js";

/** A model whose outputs for a token, or for a row's first one, stand in a table by its id. */
function lookUp(kind: TaskKind, table: readonly (readonly number[])[]): TaskModel {
  const outputs = torch.keep(torch.tensor(table.flat(), [table.length, table[0]!.length]));
  const forward = ({ inputIds, layout }: ModelInput) =>
    torch.embedding(outputs, kind === "token-classification" ? inputIds : torch.indexSelect(inputIds, 0, layout.first));
  return { forward } as unknown as TaskModel;
}

const at = () => ({ file: "none", line: 1 });

/** Rows of unequal lengths, each with its first id. */
const rowsOf = (targets: readonly unknown[]): EncodedExample[] =>
  targets.map((target, i) => ({
    inputIds: [i, ...new Array(3 * (i % 3)).fill(0)],
    tokenTypeIds: [],
    target,
    reference: target,
    at: at(),
  }));

const optionsFor = (kind: TaskKind) => ({ task: TASKS[kind] as Task, labels: ["a", "b"], batchSize: 2 });
const crossEntropy = (logits: readonly number[], label: number) =>
  Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0)) - logits[label]!;
/** Evaluates rows, and checks that their losses and weights have the mean loss. */
async function evaluated(...[model, rows, options]: Parameters<typeof evaluateRows>) {
  const losses: WeightedLoss[] = [];
  const found = await evaluateRows(model, rows, options, (_row, _prediction, loss) => losses.push(loss!()));
  const total = (name: keyof WeightedLoss) => losses.reduce((sum, one) => sum + one[name], 0);
  expect(total("loss") / total("weight")).toBeCloseTo(found.metrics.loss!, 6);
  return { ...found, losses };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("evaluateRows", () => {
  const table = [
    [2, 1],
    [0, 0.4],
    [3, -1],
    [-1, 4],
    [0.5, 0.5],
  ];

  test("classes: a short last batch is weighted by its rows, and the first of equal scores wins", async () => {
    const kind = "sequence-classification";
    const labels = [0, 0, 0, 1, 0];
    const { metrics, losses } = await evaluated(lookUp(kind, table), rowsOf(labels), optionsFor(kind));
    const { accuracy, loss } = metrics;
    expect(accuracy).toBe(0.8);
    const expected = labels.map((label, i) => crossEntropy(table[i]!, label));
    expect(loss).toBeCloseTo(mean(expected), 6);
    for (const [i, one] of losses.entries()) {
      expect(one.loss).toBeCloseTo(expected[i]!, 6);
      expect(one.weight).toBe(1);
    }
  });

  test("tokens: a batch is weighted by its labeled tokens, and may have none", async () => {
    const kind = "token-classification";
    const row = (inputIds: number[], target: number[], words: number[], wordStarts: number[]) => {
      const reference = words.map((label) => ["a", "b"][label]);
      return { inputIds, tokenTypeIds: [], target, reference, wordStarts, at: at() } as EncodedExample;
    };
    const rows = [
      row([4, 0], [-100, -100], [], []),
      row([0, 1, 4], [0, 1, -100], [0, 1], [0, 1]),
      // Its first word was cut off, its last has no token at the row's start.
      row([4, 2, 3, 1], [-100, 0, 0, 1], [0, 0, 0, 1], [-1, 1, 2, 3]),
      row([4], [-100], [], []),
    ];
    const bearing = [table[0]!, table[1]!, table[2]!, table[3]!, table[1]!].map((logits, i) =>
      crossEntropy(logits, [0, 1, 0, 0, 1][i]!),
    );
    for (const batchSize of [1, 3, 8]) {
      const { metrics, losses } = await evaluated(lookUp(kind, table), rows, { ...optionsFor(kind), batchSize });
      expect(losses.map(({ weight }) => weight)).toEqual([0, 2, 3, 0]);
      expect(metrics.loss, `${batchSize}`).toBeCloseTo(mean(bearing), 6);
      expect(metrics.accuracy, `${batchSize}`).toBeCloseTo(4 / 6, 12);
    }
  });

  test("label sets: a label is predicted from probability 0.5", async () => {
    const kind = "multi-label-classification";
    const logits = [
      [0, -0.1],
      [0.4, 3],
    ];
    const labels = [
      [1, 0],
      [1, 1],
    ];
    const { metrics } = await evaluated(lookUp(kind, logits), rowsOf(labels), optionsFor(kind));
    expect(metrics).toMatchObject({ subsetAccuracy: 1, microF1: 1 });
    const parts = logits.flatMap((row, i) => row.map((z, j) => crossEntropy([0, z], labels[i]![j]!)));
    expect(metrics.loss).toBeCloseTo(mean(parts), 6);
  });

  test("numbers", async () => {
    const kind = "regression";
    const { metrics } = await evaluated(lookUp(kind, [[1], [2.5], [-1]]), rowsOf([1, 2, 0]), optionsFor(kind));
    expect(metrics.meanSquaredError).toBeCloseTo((0.25 + 1) / 3, 6);
    expect(metrics.loss).toBeCloseTo((0.25 + 1) / 3, 6);
    expect(metrics.pearson).toBeGreaterThan(0.9);
  });

  test("at most one stretch of rows is in memory: rows are scored as they come", async () => {
    const kind = "sequence-classification";
    const rows = rowsOf(new Array(400).fill(0)).map((row) => ({ ...row, inputIds: [0, ...row.inputIds.slice(1)] }));
    const order: ("batch" | "score")[] = [];
    const options = { ...optionsFor(kind), onOutputs: () => order.push("batch") };
    for await (const _ of predictRows(lookUp(kind, table), rows, options)) order.push("score");
    expect(order.filter((what) => what === "score").length).toBe(400);
    // 64 batches of 2 rows make a stretch.
    expect(order.indexOf("score")).toBe(64);
  });
});

test("predictions come in the order of the rows, whatever the batches", async () => {
  const kind = "regression";
  const table = Array.from({ length: 7 }, (_, i) => [i]);
  const rows = rowsOf(new Array(7).fill(0));
  for (const batchSize of [1, 2, 3, 7, 50]) {
    const seen: unknown[] = [];
    for await (const { example: row, prediction } of predictRows(lookUp(kind, table), rows, {
      ...optionsFor(kind),
      batchSize,
    }))
      seen.push([row, prediction]);
    expect(seen).toEqual(rows.map((row, value) => [row, { value }]));
  }
});

test("a pass takes more short rows than a batch, and no more long ones", async () => {
  const passes: number[][] = [];
  const model = lookUp("regression", [[0]]);
  const forward = model.forward.bind(model) as (input: ModelInput) => torch.Tensor;
  const counting = {
    forward(input: ModelInput) {
      passes.push([...input.layout.lengths]);
      return forward(input);
    },
  } as unknown as TaskModel;
  const rowOf = (length: number): EncodedExample => ({ ...rowsOf([0])[0]!, inputIds: new Array(length).fill(0) });
  const rows = [...new Array(5).fill(1500), ...new Array(50).fill(40), 48].map(rowOf);
  const options = optionsFor("regression");
  for await (const _ of predictRows(counting, rows, options));
  expect(passes).toEqual([[...new Array(50).fill(40), 48], [1500, 1500], [1500, 1500], [1500]]);
  passes.length = 0;
  const task = { ...options.task, comparesWithStart: true } as Task;
  for await (const _ of predictRows(counting, rows, { ...options, task }));
  expect(passes.length).toBe(28);
});

test("rows of one example give one prediction, even across batches", async () => {
  const kind = "regression";
  const [first, second, third] = rowsOf([0, 0, 0]) as [EncodedExample, EncodedExample, EncodedExample];
  const rows = [first, { ...second, at: first.at }, third];
  const predict: Task["predict"] = (outputs) => ({ of: outputs.map(({ values }) => values[0]) });
  const seen: unknown[] = [];
  const options = {
    ...optionsFor(kind),
    task: { ...(TASKS[kind] as Task), splitsExamples: true, predict },
    batchSize: 1,
  };
  for await (const { example: row, prediction } of predictRows(lookUp(kind, [[0], [1], [2]]), rows, options))
    seen.push([row, prediction]);
  expect(seen).toEqual([
    [first, { of: [0, 1] }],
    [third, { of: [2] }],
  ]);
});

test("rows of one example stay in one stretch", async () => {
  const kind = "regression";
  const rows = rowsOf(new Array(66).fill(0));
  rows[64] = { ...(rows[64] as EncodedExample), at: (rows[63] as EncodedExample).at };
  const predict: Task["predict"] = (outputs) => ({ of: outputs.length });
  const seen: object[] = [];
  // A stretch has 64 batches of one row.
  const options = {
    ...optionsFor(kind),
    task: { ...(TASKS[kind] as Task), splitsExamples: true, predict },
    batchSize: 1,
  };
  const table = rows.map((_, i) => [i]);
  for await (const { prediction } of predictRows(lookUp(kind, table), rows, options)) seen.push(prediction);
  expect(seen.slice(62)).toEqual([{ of: 1 }, { of: 2 }, { of: 1 }]);
});

test("a task of single rows gives a prediction for each, even if all have the same source", async () => {
  const kind = "regression";
  const place = at();
  const rows = rowsOf([0, 0, 0]).map((row) => ({ ...row, at: place }));
  const seen: unknown[] = [];
  for await (const { example: row, prediction } of predictRows(lookUp(kind, [[0], [1], [2]]), rows, optionsFor(kind)))
    seen.push([row, prediction]);
  expect(seen).toEqual(rows.map((row, value) => [row, { value }]));
});

test("an abort takes effect after the current batch", async () => {
  const controller = new AbortController();
  let batches = 0;
  const onOutputs = (_batch: Batch) => {
    batches += 1;
    controller.abort(new Error("enough"));
  };
  const kind = "regression";
  const options = { ...optionsFor(kind), batchSize: 1, signal: controller.signal, onOutputs };
  const all = predictRows(lookUp(kind, [[0], [1], [2]]), rowsOf([0, 0, 0]), options);
  await expect(all.next()).rejects.toThrow("enough");
  expect(batches).toBe(1);
});

test("outputs that are not finite name their row, also for a table of tokens", async () => {
  for (const kind of ["regression", "token-classification"] as const) {
    const rows = rowsOf([0, 0, 0]).map((row, i) => ({ ...row, wordStarts: [], at: { file: "rows", line: i + 1 } }));
    const model = lookUp(kind, [[0], [Number.NaN], [0]]);
    const all = predictRows(model, rows, { ...optionsFor(kind), batchSize: 3 });
    await expect(all.next()).rejects.toThrow("rows line 2: the model's output is not a finite number");
  }
});

test("a token in the middle of a row names its own row", async () => {
  const row = (inputIds: number[], line: number) => ({ inputIds, wordStarts: [], at: { file: "rows", line } });
  const rows = [row([0, 0, 0], 1), row([0, 0, 1], 2), row([0, 0, 0], 3)].map((some) => ({
    ...some,
    tokenTypeIds: [],
    target: undefined,
  }));
  const options = { ...optionsFor("token-classification"), batchSize: 3 };
  const all = predictRows(lookUp("token-classification", [[0], [Number.NaN]]), rows, options);
  await expect(all.next()).rejects.toThrow("rows line 2:");
});

test("outputs of a task of one's own may be whole numbers", async () => {
  const kind = "regression";
  const forward: Task["forward"] = (_, { examples }) => torch.full([examples.length, 1], 7, { dtype: "int64" });
  const options = { ...optionsFor(kind), task: { ...(TASKS[kind] as Task), forward } };
  for await (const { outputs } of predictRows(lookUp(kind, [[0]]), rowsOf([0]), options))
    expect([...outputs[0]!.values]).toEqual([7]);
});

test("an example is not split at the end of a stretch", async () => {
  const kind = "regression";
  const rows = rowsOf(new Array(70).fill(0)).map((row) => ({ ...row, inputIds: [0] }));
  const joined = rows.map((row, i) => (i === 64 ? { ...row, at: rows[63]!.at } : row));
  const counts: number[] = [];
  const predict: Task["predict"] = (outputs) => ({ count: counts.push(outputs.length) });
  const options = {
    ...optionsFor(kind),
    task: { ...(TASKS[kind] as Task), splitsExamples: true, predict },
    batchSize: 1,
  };
  for await (const _ of predictRows(lookUp(kind, [[0]]), joined, options));
  expect([counts.length, counts[63]]).toEqual([69, 2]);
});
