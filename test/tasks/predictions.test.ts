import { expect, test } from "vitest";
import { ExampleOutputs, TASKS } from "../../src/tasks/index.js";

const outputs = (...values: readonly number[]) => new ExampleOutputs(Float64Array.from(values), values.length);

test("classification predicts the most likely label with its probability", () => {
  const kind = "sequence-classification";
  const first = TASKS[kind].predict([outputs(0, Math.log(3), Math.log(4))], [], ["a", "b", "c"]);
  expect(first).toEqual({ label: "c", score: expect.closeTo(0.5, 6), logits: expect.any(Array) });
  expect(first.logits.map((value) => Math.exp(value))).toEqual([1, 3, 4].map((value) => expect.closeTo(value, 5)));
  expect(TASKS[kind].predict([outputs(2, 1, 0)], [], ["a", "b", "c"]).label).toBe("a");
});

test("multi-label classification predicts labels with a probability of at least 0.5", () => {
  const kind = "multi-label-classification";
  expect(TASKS[kind].predict([outputs(0, -0.1)], [], ["a", "b"])).toMatchObject({
    labels: ["a"],
    scores: [0.5, expect.closeTo(0.475, 3)],
  });
  expect(TASKS[kind].predict([outputs(Math.log(3), -3)], [], ["a", "b"])).toMatchObject({
    labels: ["a"],
    scores: [expect.closeTo(0.75, 6), expect.closeTo(0.047, 3)],
  });
});
