import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { taskOfRows } from "../../../src/training/run/taskOfRows.js";
import { freshPath } from "../../support/workFolder.js";

type Row = Readonly<Record<string, unknown>>;

function fileOf(rows: readonly Row[]): string {
  const file = freshPath("rows.jsonl");
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return file;
}

const MESSAGES = [
  { role: "user", content: "a" },
  { role: "assistant", content: "b" },
];

test.each<[string, Row[], string]>([
  ["named labels", [{ text: "a", label: "ham" }], "The task is sequence-classification, by text, label"],
  ["a row without a label", [{ text: "a", label: "ham" }, { text: "b" }], "sequence-classification"],
  ["pairs", [{ sentence1: "a", sentence2: "b", label: "same" }], "by sentence1, sentence2, label"],
  ["conversations", [{ messages: MESSAGES }], "The task is causal-lm, by messages"],
  ["completions", [{ prompt: "a", completion: "b" }], "The task is causal-lm, by prompt, completion"],
])("rows of %s name their task", async (_, rows, note) => {
  const notes: string[] = [];
  const task = await taskOfRows(fileOf(rows), { onNote: (text) => notes.push(text) });
  expect(notes).toEqual([expect.stringContaining(note)]);
  expect(notes[0]).toContain(task);
});

const many = (label: (row: number) => unknown): Row[] =>
  Array.from({ length: 20 }, (_, row) => ({ text: `text ${row}`, label: label(row) }));

test.each<[string, Row[]]>([
  ["whole numbers", many((row) => row % 2)],
  ["numbers in strings", many((row) => String(row % 2))],
  ["numbers with a comma", many((row) => `${row % 2},5`)],
  ["lists", many(() => ["a"])],
  ["a label of its own for each row", many((row) => `answer ${row}`)],
  ["texts alone", [{ text: "a" }]],
  ["preferences", [{ prompt: "a", completion: "b", label: true }]],
])("the task of rows with %s is asked for", async (_, rows) => {
  await expect(taskOfRows(fileOf(rows))).rejects.toThrow(/^--task is missing: sequence-classification, /);
});

test("without training rows the task is asked for, and a missing file is named", async () => {
  await expect(taskOfRows(undefined)).rejects.toThrow("--task is missing");
  await expect(taskOfRows("absent.jsonl")).rejects.toThrow("absent.jsonl");
});
