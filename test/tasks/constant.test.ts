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

/** What a task's constant predictor predicts for a row with this reference. */
function constantOf(kind: string, known: readonly unknown[], labels: readonly string[], reference: unknown) {
  const task = TASKS[kind as keyof typeof TASKS] as Task;
  return task.constantPrediction!(known.map(row), labels).of(reference);
}

test.each([
  ["the most frequent class", "sequence-classification", [0, 1, 1, 2], ["a", "b", "c"], { label: "b" }],
  [
    "of equally frequent classes the first output",
    "sequence-classification",
    [2, 1, 2, 1],
    ["a", "b", "c"],
    { label: "b" },
  ],
  ["the mean", "regression", [1, 2, 6], ["value"], { value: 3 }],
  ["the mean of equal numbers, without rounding", "regression", [0.1, 0.1, 0.1], ["value"], { value: 0.1 }],
])("a constant predictor takes %s", (_, kind, known, labels, expected) => {
  expect(constantOf(kind, known, labels, undefined)).toEqual(expected);
});

test("a constant predictor of words takes the most frequent label, of tokens that have one, for each word", () => {
  const known = [
    [-100, 0, 1, -100],
    [-100, 1, -100, 1],
  ];
  expect(constantOf("token-classification", known, ["O", "B-PER"], ["O", "O", "B-PER"])).toEqual({
    labels: ["B-PER", "B-PER", "B-PER"],
  });
});

test.each([
  // F1 of the first k labels by frequency: 2·3/(4 + 6), 2·5/(8 + 6), 2·6/(12 + 6).
  [
    [
      [1, 0, 1],
      [1, 1, 0],
      [1, 0, 1],
      [0, 0, 0],
    ],
    ["a", "c"],
  ],
  [
    [
      [0, 0],
      [0, 0],
    ],
    [],
  ],
  [
    [
      [0, 1],
      [1, 1],
    ],
    ["a", "b"],
  ],
])("a constant set of labels is the one with the highest micro F1 on the known rows: %j", (known, labels) => {
  const names = ["a", "b", "c"];
  expect(constantOf("multi-label-classification", known, names, undefined)).toEqual({ labels });
  // No other set does better.
  const f1 = (set: readonly number[]) => {
    const hits = known.reduce((sum, target) => sum + set.reduce((own, one, id) => own + one * target[id]!, 0), 0);
    const marked = known.flat().reduce((sum, one) => sum + one, 0);
    const guessed = known.length * set.reduce((sum, one) => sum + one, 0);
    return hits === 0 ? 0 : (2 * hits) / (guessed + marked);
  };
  const width = known[0]!.length;
  const sets = Array.from({ length: 2 ** width }, (_, bits) =>
    Array.from({ length: width }, (_, id) => (bits >> id) & 1),
  );
  const chosen = names.slice(0, width).map((name) => Number(labels.includes(name)));
  expect(f1(chosen)).toBe(Math.max(...sets.map(f1)));
});
