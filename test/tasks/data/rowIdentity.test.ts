import { expect, test } from "vitest";
import { countShared, exampleKey, keysOfSplits, sampleOf } from "../../../src/tasks/data/exampleKeys.js";

const keyOf = (input: unknown) => exampleKey({ input, at: { file: "f", line: 1 } });

test("a row is its input: labels, completions, references and places do not matter", () => {
  const row = { input: ["a", "b"], label: "yes", at: { file: "one", line: 1 } };
  expect(exampleKey({ ...row, at: { file: "two", line: 9 } })).toBe(exampleKey(row));
  expect(keyOf(["b", "a"])).not.toBe(keyOf(["a", "b"]));
  expect(keyOf(["ab"])).not.toBe(keyOf(["a", "b"]));
  const prompt = { kind: "prompt", prompt: "2 + 2?", completion: "4" };
  expect(keyOf({ ...prompt, completion: "5" })).toBe(keyOf(prompt));
  expect(keyOf({ ...prompt, completion: undefined, references: ["4"] })).toBe(keyOf(prompt));
  expect(keyOf({ ...prompt, prompt: "2 + 3?" })).not.toBe(keyOf(prompt));
  expect(keyOf({ kind: "text", text: "a" })).toBe(keyOf(["a"]));
});

test("a conversation is what comes before the last answer", () => {
  const [question, answer] = [
    { role: "user", content: "2 + 2?" },
    { role: "assistant", content: "4" },
  ];
  const of = (...messages: object[]) => keyOf({ kind: "messages", messages });
  expect(of(question, { ...answer, content: "5" })).toBe(of(question, answer));
  expect(of(question, answer, question)).not.toBe(of(question));
  expect(of({ ...question, content: "2 + 3?" }, answer)).not.toBe(of(question, answer));
  expect(of(answer, question)).not.toBe(of(answer));
  expect(of(question, question)).not.toBe(of(question));
  expect(of(question, question)).not.toBe(of(question, answer));
  expect(of(answer)).not.toBe(of({ ...answer, content: "5" }));
});

test("a prompt that all rows have tells none apart, so that completions count", () => {
  const row = (completion: string, prompt = "Write a poem.") => ({
    input: { kind: "prompt", prompt, completion },
    at: { file: "f", line: 1 },
  });
  const [trained = [], tested = []] = keysOfSplits([
    [row("one"), row("two")],
    [row("three"), row("two")],
  ]);
  expect(countShared(tested, trained)).toBe(1);
  const [others = [], two = []] = keysOfSplits([[row("one"), row("two", "Write a song.")], [row("three")]]);
  expect(countShared(two, others)).toBe(1);
});

test("inputs of custom tasks that JSON can't hold are known by their place", () => {
  const of = (line: number) => exampleKey({ input: 1n, at: { file: "f", line } });
  expect(of(1)).toBe(of(1));
  expect(of(1)).not.toBe(of(2));
});

test("rows that others have are counted, each as often as it occurs", () => {
  expect(countShared(["a", "a", "b", "c"], ["a", "c", "d"])).toBe(3);
  expect(countShared([], ["a"])).toBe(0);
});

test("a sample has all keys of few rows once, and the smallest of many", () => {
  expect(sampleOf(["b", "a", "b"])).toEqual(["a", "b"]);
  const many = Array.from({ length: 5000 }, (_, i) => keyOf([i]));
  expect(sampleOf(many)).toEqual(many.sort().slice(0, 4096));
});
