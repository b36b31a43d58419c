import { describe, expect, test } from "vitest";
import type { EncodedRow, RowLabel, TaskKind } from "../../src/data/index.js";
import type { ModelInput, TaskModel } from "../../src/models/index.js";
import * as torch from "../../src/torch/index.js";
import { argmax, evaluateRows, forwardAll } from "../../src/train/evaluation.js";

/** A model whose logits for a token, or for a row's first one, stand in a table by its id. */
function lookUp(task: TaskKind, table: readonly (readonly number[])[]): TaskModel {
  const logits = torch.keep(torch.tensor(table.flat(), [table.length, table[0]!.length]));
  const forward = ({ ids, layout }: ModelInput) =>
    torch.embedding(logits, task === "token-classification" ? ids : torch.indexSelect(ids, 0, layout.first));
  return { forward } as unknown as TaskModel;
}

const at = { file: "none", line: 1 };

/** Rows of unequal lengths, each with its first id. */
const rowsOf = (labels: readonly RowLabel[], ids = labels.map((_, i) => i)): EncodedRow[] =>
  labels.map((label, i) => ({ ids: [ids[i]!, ...new Array(3 * (i % 3)).fill(0)], typeIds: [], label, at }));

const options = { labels: ["a", "b"], batchSize: 2, metrics: undefined, positive: undefined };
const crossEntropy = (logits: readonly number[], label: number) =>
  Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0)) - logits[label]!;
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("evaluateRows", () => {
  const table = [
    [2, 1],
    [0, 0.4],
    [3, -1],
    [-1, 4],
    [0.5, 0.5],
  ];

  test("classes: a short last batch counts by its rows, the first of equal scores wins", async () => {
    const task = "sequence-classification";
    const labels = [0, 0, 0, 1, 0];
    const { accuracy, loss } = await evaluateRows(lookUp(task, table), rowsOf(labels), { ...options, task });
    expect(accuracy).toBe(0.8);
    expect(loss).toBeCloseTo(mean(labels.map((label, i) => crossEntropy(table[i]!, label))), 6);
  });

  test("tokens: a batch counts by its labelled tokens, and may have none", async () => {
    const task = "token-classification";
    const rows: EncodedRow[] = [
      { ids: [4, 0], typeIds: [], label: [-100, -100], wordStarts: [], wordLabels: [], at },
      { ids: [0, 1, 4], typeIds: [], label: [0, 1, -100], wordStarts: [0, 1], wordLabels: [0, 1], at },
      // Its first word was cut off, its last has no token at the row's start.
      {
        ids: [4, 2, 3, 1],
        typeIds: [],
        label: [-100, 0, 0, 1],
        wordStarts: [-1, 1, 2, 3],
        wordLabels: [0, 0, 0, 1],
        at,
      },
      { ids: [4], typeIds: [], label: [-100], wordStarts: [], wordLabels: [], at },
    ];
    const bearing = [table[0]!, table[1]!, table[2]!, table[3]!, table[1]!].map((logits, i) =>
      crossEntropy(logits, [0, 1, 0, 0, 1][i]!),
    );
    for (const batchSize of [1, 3, 8]) {
      const metrics = await evaluateRows(lookUp(task, table), rows, { ...options, batchSize, task });
      expect(metrics.loss, `${batchSize}`).toBeCloseTo(mean(bearing), 6);
      expect(metrics.accuracy, `${batchSize}`).toBeCloseTo(4 / 6, 12);
    }
    const nothing = await forwardAll(lookUp(task, table), rows.slice(0, 1), task, 1);
    expect(nothing.map((values) => [...values])).toEqual([[...table[4]!, ...table[0]!]]);
  });

  test("label sets: a label is there from an even chance on", async () => {
    const task = "multi-label-classification";
    const logits = [
      [0, -0.1],
      [0.4, 3],
    ];
    const labels: (0 | 1)[][] = [
      [1, 0],
      [1, 1],
    ];
    const metrics = await evaluateRows(lookUp(task, logits), rowsOf(labels), { ...options, task });
    expect(metrics).toMatchObject({ subsetAccuracy: 1, microF1: 1 });
    const parts = logits.flatMap((row, i) => row.map((z, j) => crossEntropy([0, z], labels[i]![j]!)));
    expect(metrics.loss).toBeCloseTo(mean(parts), 6);
  });

  test("numbers", async () => {
    const task = "regression";
    const values = [[1], [2.5], [-1]];
    const metrics = await evaluateRows(lookUp(task, values), rowsOf([1, 2, 0]), { ...options, task });
    expect(metrics.meanSquaredError).toBeCloseTo((0.25 + 1) / 3, 6);
    expect(metrics.loss).toBeCloseTo((0.25 + 1) / 3, 6);
    expect(metrics.pearson).toBeGreaterThan(0.9);
  });
});

test("logits come in the rows' order, whatever the batches", async () => {
  const task = "sequence-classification";
  const table = Array.from({ length: 7 }, (_, i) => [i, -i]);
  const rows = rowsOf(new Array(7).fill(0));
  for (const batchSize of [1, 2, 3, 7, 50]) {
    const logits = await forwardAll(lookUp(task, table), rows, task, batchSize);
    expect(logits.map((values) => values[0])).toEqual([0, 1, 2, 3, 4, 5, 6]);
  }
});

test("an abort ends it after the batch in hand", async () => {
  const controller = new AbortController();
  let batches = 0;
  const onBatch = () => {
    batches += 1;
    controller.abort(new Error("enough"));
  };
  const task = "sequence-classification";
  const all = forwardAll(lookUp(task, [[0], [1], [2]]), rowsOf([0, 0, 0]), task, 1, {
    signal: controller.signal,
    onBatch,
  });
  await expect(all).rejects.toThrow("enough");
  expect(batches).toBe(1);
});

test("argmax takes the first of equal values", () => {
  expect(argmax([1, 3, 3, 2])).toBe(1);
  expect(argmax([-5])).toBe(0);
});
