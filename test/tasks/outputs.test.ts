import { expect, test } from "vitest";
import { type EncodedQuestionExample, ExampleOutputs, TASKS } from "../../src/tasks/index.js";
import { softmax } from "../../src/tasks/texts.js";

test("softmax of logits whose exponential overflows", () => {
  expect([...softmax(Float64Array.of(1000, 0, 1000))]).toEqual([0.5, 0, 0.5]);
});

test("an answer has at most 30 tokens, as in the reference scripts", () => {
  const [start, tokens] = [2, 40];
  const offsets = Array.from({ length: tokens }, (_, i) => [i, i + 1] as const);
  const inputIds = new Array<number>(start + tokens + 1).fill(1);
  const source = "x".repeat(tokens);
  const row: EncodedQuestionExample = {
    ...{ inputIds, tokenTypeIds: inputIds, start, offsets, source, target: undefined },
    at: { file: "rows", line: 1 },
  };
  const logits = new Float32Array(2 * inputIds.length);
  logits[2 * start] = 10; // begins at the context's first token
  logits[2 * (start + 30) + 1] = 10; // 31 tokens
  logits[2 * (start + 29) + 1] = 9; // 30 tokens
  const task = TASKS["question-answering"];
  const outputs = new ExampleOutputs(Float64Array.from(logits), 2);
  expect(task.predict([outputs], [row], ["start", "end"])).toMatchObject({ start: 0, end: 30, answer: "x".repeat(30) });
});
