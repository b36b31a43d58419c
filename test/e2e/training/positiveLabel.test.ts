import { expect, test } from "vitest";
import { bidora, fresh, jsonl, SMALL } from "../support.js";

const label = (row: number) => (row % 4 === 0 ? "ok" : "spam");
const rows = jsonl(...Array.from({ length: 16 }, (_, row) => ({ text: `text ${row}`, label: label(row) })));
const model = SMALL.model;
const evaluated = async (...words: string[]) => {
  const { stdout, stderr, status } = await bidora("evaluate", "--data", rows, "--json", "--no-baseline", ...words);
  return status === 0 ? (JSON.parse(stdout) as { f1: number; positiveLabel: string }) : stderr;
};

test("a run records its positive label, the rarer one, and evaluate takes and names it", async () => {
  const output = fresh();
  const words = ["finetune", "--model", model, "--train", rows, "--max-steps", "1", "--output", output];
  expect(await bidora(...words)).toMatchObject({ status: 0 });
  const found = await evaluated("--adapter", output);
  expect(found).toMatchObject({ positiveLabel: "ok" });
  expect(await evaluated("--adapter", output, "--positive-label", "spam")).toMatchObject({ positiveLabel: "spam" });
  expect(await evaluated("--adapter", output, "--positive-label", "eggs")).toContain(
    "expected one of the labels ok and spam",
  );
  const { f1: other } = (await evaluated("--adapter", output, "--positive-label", "spam")) as { f1: number };
  expect((found as { f1: number }).f1).not.toBe(other);
});

test("a run takes the label that --positive-label names, and refuses others and other tasks", async () => {
  const output = fresh();
  const words = ["finetune", "--model", model, "--train", rows, "--max-steps", "1", "--output", output];
  expect(await bidora(...words, "--positive-label", "eggs")).toMatchObject({ status: 2 });
  expect((await bidora(...words, "--positive-label", "ok", "--task", "regression")).stderr).toContain(
    "--positive-label",
  );
  expect(await bidora(...words, "--positive-label", "spam")).toMatchObject({ status: 0 });
  expect(await evaluated("--adapter", output)).toMatchObject({ positiveLabel: "spam" });
});
