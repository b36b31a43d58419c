// Files of rows as spreadsheets leave them: semicolons between the columns, and rows without a label.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bidora, fresh, json, readRows, SMALL, write } from "../support.js";

const text = (i: number): string => `the ${i % 2 ? "old" : "small"} boat, number ${i}`;
const rows = (separator: string, label: (i: number) => unknown, count = 24): string =>
  ["text", "label"]
    .join(separator)
    .concat(
      ...Array.from(
        { length: count },
        (_, i) => `\n${separator === "," ? `"${text(i)}"` : text(i)}${separator}${label(i)}`,
      ),
    );

const SEMICOLONS = "its columns are separated by semicolons.";
const MODEL = ["--model", SMALL.model, "--dtype", "float32"];
const SHORT = ["--task", "sequence-classification", "--method", "lora", "--max-steps", "2", "--batch-size", "4"];

test("finetune, preview, predict, evaluate and compare read semicolons, and say so once", async () => {
  const [train, commas] = [
    write(
      "rows.csv",
      rows(";", (i) => i % 2),
    ),
    write(
      "rows.csv",
      rows(",", (i) => i % 2),
    ),
  ];
  const said = (stderr: string) => stderr.split(`${train}: ${SEMICOLONS}`).length - 1;
  const of = async (file: string) => {
    const output = fresh();
    const trained = await bidora("finetune", ...MODEL, ...SHORT, "--train", file, "--output", output);
    const written = fresh("predictions.jsonl");
    const model = [...MODEL, "--adapter", output];
    const found = await bidora("predict", ...model, "--input", file, "--output", written);
    const scored = await bidora("evaluate", ...model, "--data", file, "--json");
    const shown = await bidora("preview", ...MODEL, ...SHORT, "--train", file, "--json");
    for (const done of [trained, found, scored, shown])
      expect([done.status, said(done.stderr)]).toEqual([0, file === train ? 1 : 0]);
    return { metrics: JSON.parse(scored.stdout), predictions: readRows(written), preview: shown.stdout };
  };
  expect(await of(train)).toEqual(await of(commas));

  const settings = ["methods: [lora]", "seeds: [0]", "maxSteps: 2", "task: sequence-classification"];
  const files = [`model: ${SMALL.model}`, `train: ${train}`, `validation: ${train}`];
  const comparison = write("compare.yaml", [...settings, ...files].join("\n"));
  const list = await bidora("compare", comparison, "--list", "--output", fresh());
  expect([list.status, said(list.stderr)]).toEqual([0, 1]);
});

test("finetune names rows without a label, and leaves them out with --drop-unlabeled", async () => {
  const train = write(
    "rows.csv",
    rows(",", (i) => (i % 4 === 2 ? "" : i % 2)),
  );
  const asked = ["finetune", ...MODEL, ...SHORT, "--train", train, "--validation", train];
  const without = fresh();
  expect(await bidora(...asked, "--output", without)).toMatchObject({
    status: 1,
    stderr: `bidora: ${train}: 6 of 24 rows have no label in the column label (lines 4, 8, 12, 16, 20, …): write the labels, or leave these rows out with --drop-unlabeled.\n`,
  });
  const output = fresh();
  const { status, stderr } = await bidora(...asked, "--drop-unlabeled", "--output", output);
  expect(status, stderr).toBe(0);
  expect(
    stderr.split("6 of 24 rows have no label in the column label (lines 4, 8, 12, 16, 20, …); they are left out."),
  ).toHaveLength(2);
  const evaluate = ["evaluate", ...MODEL, "--adapter", output, "--data", train, "--json"];
  expect((await bidora(...evaluate)).stderr).toContain("or leave these rows out with --drop-unlabeled");
  const { stdout } = await bidora(...evaluate, "--drop-unlabeled");
  expect(JSON.parse(stdout)).toMatchObject({ accuracy: json(join(output, "metrics.json")).accuracy });
});

test("--drop-unlabeled is refused where no row has a label, or none may be left out", async () => {
  const texts = write("rows.jsonl", '{"text":"a"}\n{"text":"b"}\n');
  const language = ["finetune", "--model", SMALL.model, "--task", "causal-lm", "--train", texts, "--output", fresh()];
  expect(await bidora(...language, "--drop-unlabeled")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("--drop-unlabeled (applies only"),
  });
  const predictions = fresh("predictions.jsonl");
  writeFileSync(predictions, '{"label":"1"}\n'.repeat(2));
  const rowsFile = write("rows.csv", "text,label\na,1\nb,\n");
  const scored = ["evaluate", "--predictions", predictions, "--data", rowsFile, "--task", "sequence-classification"];
  expect((await bidora(...scored, "--drop-unlabeled")).status).toBe(2);
  expect((await bidora(...scored)).stderr).toContain("(line 3): write the labels, or remove these rows.");
});
