import { expect, test } from "vitest";
import { constantRows } from "../../../src/training/run/outcome.js";

const row = (prediction: object, reference: unknown) => ({ prediction: { ...prediction }, reference });
const label = (label: string, reference: number) => row({ label, score: 0.5 }, reference);
const words = (labels: (string | null)[], reference: string[]) =>
  row({ tokens: labels.map(() => "a"), labels }, reference);

test.each([
  ["classes that differ", [label("a", 0), label("b", 1)], false, false],
  ["one class predicted", [label("a", 0), label("a", 1)], true, false],
  ["rows of one class", [label("a", 1), label("b", 1)], false, true],
  ["numbers", [row({ value: 0.5 }, 1), row({ value: 0.5 }, 2)], true, false],
  ["one number as label", [row({ value: 0.5 }, 2), row({ value: 0.25 }, 2)], false, true],
  ["no entity predicted", [words(["O", "O"], ["B-X", "O"]), words(["O", null], ["O"])], true, false],
  ["no entity in the rows", [words(["B-X", "O"], ["O", "O"]), words(["O"], ["O"])], false, true],
  ["sets of labels", [row({ labels: ["a"] }, [1, 0]), row({ labels: ["a"] }, [0, 1])], true, false],
  ["one set of labels in the rows", [row({ labels: ["a"] }, [1, 0]), row({ labels: [] }, [1, 0])], false, true],
  ["texts", [row({ text: "x" }, ["y"]), row({ text: "x" }, ["y"])], false, false],
  ["losses of texts", [row({ loss: 1, tokens: 2 }, undefined), row({ loss: 1, tokens: 2 }, undefined)], false, false],
] as const)("constant predictions and labels are found: %s", (_, rows, constant, constantLabels) => {
  expect(constantRows([["validation", rows]])).toEqual({
    ...(constant && { constant: ["validation"] }),
    ...(constantLabels && { constantLabels: ["validation"] }),
  });
});

test("each split is looked at by itself", () => {
  const [same, other] = [
    [label("a", 0), label("a", 1)],
    [label("a", 0), label("b", 0)],
  ];
  expect(
    constantRows([
      ["validation", same],
      ["test", other],
      ["holdout", same],
    ]),
  ).toEqual({
    constant: ["validation", "holdout"],
    constantLabels: ["test"],
  });
});
