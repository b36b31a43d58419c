import { expect, test } from "vitest";
import { batchOf, type EncodedRow, TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";

const at = { file: "none", line: 1 };
const rows = [[1], [2]].map((inputIds): EncodedRow<never> => ({ inputIds, tokenTypeIds: [0], target: undefined, at }));

test("one label: the likeliest, with its probability", () => {
  const outputs = torch.tensor([0, Math.log(3), Math.log(4), 2, 1, 0], [2, 3]);
  const [first, second] = TASKS["sequence-classification"].predict(outputs, batchOf(rows), ["a", "b", "c"]);
  expect(first).toEqual({ label: "c", score: expect.closeTo(0.5, 6), logits: expect.any(Array) });
  expect(first?.logits.map((value) => Math.exp(value))).toEqual([1, 3, 4].map((value) => expect.closeTo(value, 5)));
  expect(second?.label).toBe("a");
});

test("several labels: those from an even chance on", () => {
  const outputs = torch.tensor([0, -0.1, Math.log(3), -3], [2, 2]);
  const [first, second] = TASKS["multi-label-classification"].predict(outputs, batchOf(rows), ["a", "b"]);
  expect(first).toMatchObject({ labels: ["a"], scores: [0.5, expect.closeTo(0.475, 3)] });
  expect(second).toMatchObject({ labels: ["a"], scores: [expect.closeTo(0.75, 6), expect.closeTo(0.047, 3)] });
});
