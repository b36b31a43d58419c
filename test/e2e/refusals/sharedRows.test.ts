import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readRowRecord } from "../../../src/base/records/rowRecord.js";
import { bidora, fresh, jsonl, ROWS, run, SMALL } from "../support.js";

const rowsOf = (name: string, count: number, label = (i: number) => ["alpha", "beta"][i % 2]) =>
  Array.from({ length: count }, (_, i) => ({ sentence1: `${name} ${i}`, sentence2: "the", label: label(i) }));

const early = { task: "sequence-classification", evalEvery: 1, earlyStopping: 2, method: "lora" } as const;

test("early stopping by a shuffled copy of the test rows is refused before anything is written", async () => {
  const tested = jsonl(...rowsOf("test", 9));
  const copy = jsonl(...rowsOf("test", 9, () => "beta").reverse());
  const output = fresh();
  const { status, stderr } = await bidora(
    ...["finetune", "--model", SMALL.model, "--train", SMALL.train, "--task", "sequence-classification"],
    ...["--validation", copy, "--test", tested, "--eval-every", "1", "--early-stopping", "2", "--output", output],
  );
  expect(stderr).toContain("--early-stopping would choose by the validation rows, but 9 of the 9 test rows are among");
  expect(status).toBe(2);
  expect(existsSync(output)).toBe(false);
  const held = { ...early, holdoutFraction: 0.2, validation: copy, test: tested };
  expect((await run({ ...held, maxSteps: 1 })).metrics).toHaveProperty("test_accuracy");
  await expect(
    run({ ...early, validation: jsonl(...rowsOf("test", 1), ...rowsOf("own", 5)), test: tested }),
  ).rejects.toThrow("but 1 of the 9 test rows are among them");
});

test("evaluated rows that are trained on are counted in a note, and a run records a sample of its rows", async () => {
  const trained = JSON.parse(readFileSync(SMALL.train, "utf8").split("\n")[0]!) as object;
  const validation = jsonl({ ...trained, label: "alpha" }, ...rowsOf("own", 3));
  const settings = { ...early, earlyStopping: undefined, holdoutFraction: 0.2, maxSteps: 1 };
  const { notes, output } = await run({ ...settings, validation, test: join(ROWS, "pairs.jsonl") });
  expect(notes.filter((note) => note.includes("training rows"))).toEqual([
    "1 of the 4 validation rows are also training rows: scores on them are not scores on new rows.",
  ]);
  const record = readRowRecord(output)!;
  expect([record.train.rows, record.validation?.rows, record.test?.rows]).toEqual([22, 4, 8]);
  expect(record.train.keys.filter((key) => record.validation?.keys.includes(key))).toHaveLength(1);
});
