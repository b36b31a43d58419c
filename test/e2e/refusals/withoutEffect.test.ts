import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { evaluate } from "../../../src/app/commands/models/evaluate.js";
import { BERT, bidora, fresh, json, list, ROWS, run, SMALL, write } from "../support.js";

const HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n";
const mrpc = (rows: number): string =>
  HEADER + Array.from({ length: rows }, (_, i) => `${i % 2}\t1\t2\tone fish ${i}\ttwo fish\n`).join("");

let folder: string;
beforeAll(() => {
  folder = fresh("MRPC");
  mkdirSync(folder);
  writeFileSync(join(folder, "train.tsv"), mrpc(8));
  writeFileSync(join(folder, "dev.tsv"), mrpc(4));
});

describe("refused with status 2, and nothing is left", () => {
  test.each<readonly [string, readonly string[], RegExp]>([
    ["--xi with lora", ["--xi", "1"], /No effect in this run: --xi/],
    ["--data beside a task of one's own", ["--data", ROWS], /--data \(applies only with a named data set/],
    ["--revision of a folder", ["--revision", "main"], /--revision is for a Hub repository/],
  ])("finetune: %s", async (_, flags, message) => {
    const output = fresh();
    const base = ["--model", SMALL.model, "--train", SMALL.train, "--method", "lora", "--output", output];
    const { status, stderr } = await bidora("finetune", ...base, ...flags);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
    expect(list(output)).toEqual([]);
  });

  test("--text-columns with columns of words", async () => {
    const train = write("words.conll", "a O\nb O\n");
    const flags = ["--model", join(BERT, "tokens"), "--task", "token-classification", "--text-columns", "a"];
    const { status, stderr } = await bidora("finetune", ...flags, "--train", train);
    expect(stderr).toMatch(/No effect: --text-columns a names no column of .*words\.conll/);
    expect(status).toBe(2);
  });

  test.each<readonly [string, () => readonly string[], RegExp]>([
    [
      "--split of a file",
      () => ["--data", SMALL.train, "--split", "test"],
      /--split \(applies only on a named data set's/,
    ],
    [
      "--label-column of a named data set",
      () => ["--data", folder, "--task", "glue/mrpc", "--label-column", "Quality"],
      /--label-column \(applies only on a file of rows/,
    ],
  ])("evaluate: %s", async (_, flags, message) => {
    const { status, stderr } = await bidora("evaluate", "--model", join(BERT, "no-prefix"), ...flags());
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });
});

test.each([
  ["lora,lora", /--methods names lora twice/],
  ["lora,laro", /--methods takes full, .*lora, .*hira, bidora, .*; got laro/],
])("quickstart: --methods %s is refused before anything is trained", async (methods, message) => {
  const output = fresh();
  const { status, stderr } = await bidora("quickstart", "--methods", methods, "--output", output);
  expect(stderr).toMatch(message);
  expect(status).toBe(2);
  expect(list(output)).toEqual([]);
});

test("a file stands in for one part of a named data set, and the rest is the set's own", async () => {
  const rows = Array.from({ length: 6 }, (_, i) => ({
    sentence1: `one fish ${i}`,
    sentence2: "two fish",
    label: i % 2 ? "equivalent" : "not_equivalent",
  }));
  const train = write("mine.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"));
  const { output, events } = await run({ task: "glue/mrpc", data: folder, train, method: "lora", maxSteps: 1 });
  expect(json<{ accuracy: number }>(join(output, "metrics.json"))).toHaveProperty("accuracy");
  expect(events.filter(({ event }) => event === "evaluation")).toHaveLength(1);
  const { rows: judged } = await evaluate({
    ...{ model: SMALL.model, adapter: output, task: "glue/mrpc", data: folder },
    ...{ maxLength: 40, batchSize: 4, dtype: "float32" },
  });
  expect(judged).toBe(4);
});
