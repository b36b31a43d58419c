import { expect, test } from "vitest";
import { isConstant } from "../../src/tasks/index.js";

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
