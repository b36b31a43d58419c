import { expect, test } from "vitest";
import { type EncodedExample, isConstant, TASKS, type Task } from "../../src/tasks/index.js";

const words = (...labels: (string | null)[]) => ({ tokens: labels.map(() => "a"), labels });

test.each([
  [
    "one label",
    [
      { label: "ham", score: 0.6 },
      { label: "ham", score: 0.9 },
    ],
    true,
  ],
  ["two labels", [{ label: "ham" }, { label: "ham" }, { label: "spam" }], false],
  ["one set of labels", [{ labels: ["a", "b"] }, { labels: ["a", "b"] }], true],
  ["no label in any row", [{ labels: [] }, { labels: [] }], true],
  ["two sets of labels", [{ labels: ["a"] }, { labels: ["a", "b"] }], false],
  ["one number", [{ value: 0.5 }, { value: 0.5 }], true],
  ["two numbers", [{ value: 0.5 }, { value: 0.25 }], false],
  ["one label for all words", [words("O", "O"), words("O", null), words()], true],
  ["two labels in one sentence", [words("O", "O"), words("O", "B-PER")], false],
  ["words without labels", [words(null), words()], false],
  ["texts", [{ text: "a" }, { text: "a" }], false],
  ["a single row", [{ label: "ham" }], false],
  ["no rows", [], false],
] as const)("predictions are constant or not: %s", (_, predictions, expected) => {
  expect(isConstant(predictions)).toBe(expected);
});

const row = (target: unknown): EncodedExample => ({
  inputIds: [1],
  tokenTypeIds: [],
  target,
  at: { file: "none", line: 1 },
});
const ln = Math.log;

test.each([
  ["sequence-classification", [0, 0, 0, 1], [0, 1], (-ln(0.75) - ln(0.25)) / 2],
  ["sequence-classification", [0, 0], [0, 1], Number.POSITIVE_INFINITY],
  // The labels' losses: of shares 1/2 on 1 and 1, of 3/4 on 1 and 0.
  [
    "multi-label-classification",
    [
      [1, 1],
      [1, 1],
      [0, 1],
      [0, 0],
    ],
    [
      [1, 1],
      [1, 0],
    ],
    (2 * ln(2) - ln(0.75) - ln(0.25)) / 4,
  ],
  ["regression", [1, 3], [2, 5], (0 + 9) / 2],
  // -100 has no label.
  [
    "token-classification",
    [
      [0, 0, -100],
      [0, 1],
    ],
    [
      [1, -100],
      [0, 0],
    ],
    (-ln(0.25) - 2 * ln(0.75)) / 3,
  ],
] as const)("the loss of predicting the same for every row, as %s: %j", (kind, known, rows, expected) => {
  const task: Task = TASKS[kind];
  expect(task.constantLoss!(known.map(row), rows.map(row))).toBeCloseTo(expected, 12);
});
