import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { expect, test } from "vitest";
import { predict } from "../../../src/app/commands/models/predict.js";
import { bidora, changed, fresh, GOLDEN, list } from "../support.js";

const tsv = (...lines: readonly (readonly string[])[]) => lines.map((cells) => `${cells.join("\t")}\n`).join("");

/** The folder of a set with these files. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = fresh("glue");
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

const pairs = (count: number, word = "the") =>
  tsv(
    ["index", "sentence1", "sentence2"],
    ...Array.from({ length: count }, (_, i) => [String(i), `${word} ${i}`, i % 2 ? "word" : "other words"]),
  );

/** A classifier with these labels. */
const model = (...labels: readonly string[]) =>
  changed("bert/single", "config.json", { id2label: Object.fromEntries(labels.entries()), label2id: undefined });

const lines = (folder: string, name: string) => readFileSync(join(folder, name), "utf8").split("\n");

const NLI = ["contradiction", "entailment", "neutral"];

test("a submission has the server's spelling of each prediction, in the order of the rows, matched and mismatched ones apart", async () => {
  const data = folderOf({ "test_matched.tsv": pairs(3), "test_mismatched.tsv": pairs(2, "a") });
  const output = fresh("submission");
  const asked = { model: model(...NLI), task: "glue/mnli", input: data } as const;
  const labels = (await predict({ ...asked, split: "test" })).map(({ label }) => label);
  const { status, stderr } = await bidora(
    ...["predict", "--model", asked.model, "--task", "glue/mnli", "--input", data],
    ...["--format", "glue", "--output", output],
  );
  expect(status).toBe(0);
  expect(list(output)).toEqual(["MNLI-m.tsv", "MNLI-mm.tsv", "submission.zip"]);
  const rows = (from: number, to: number) => labels.slice(from, to).map((label, i) => `${i}\t${label}`);
  expect(lines(output, "MNLI-m.tsv")).toEqual(["index\tprediction", ...rows(0, 3), ""]);
  expect(lines(output, "MNLI-mm.tsv")).toEqual(["index\tprediction", ...rows(3, 5), ""]);
  expect(stderr).toContain("MNLI-m.tsv has 3 rows, but GLUE published 9,796");
  expect(stderr).toContain(
    "lacks CoLA.tsv, SST-2.tsv, MRPC.tsv, STS-B.tsv, QQP.tsv, QNLI.tsv, RTE.tsv, WNLI.tsv, AX.tsv",
  );
});

test("the zip has the files of all calls, and the diagnostic set's predictions are those of an MNLI model", async () => {
  const output = fresh("submission");
  const write = (task: string, labels: readonly string[], files: Readonly<Record<string, string>>) =>
    predict({ model: model(...labels), task: task as "glue/ax", input: folderOf(files), format: "glue", output });
  await write("glue/ax", NLI, { "diagnostic.tsv": pairs(4) });
  await write("glue/rte", ["not_entailment", "entailment", "unused"], { "test.tsv": pairs(2) });
  const files = unzipSync(readFileSync(join(output, "submission.zip")));
  expect(Object.keys(files).sort()).toEqual(["AX.tsv", "RTE.tsv"]);
  for (const [name, bytes] of Object.entries(files))
    expect(Buffer.from(bytes).toString()).toBe(readFileSync(join(output, name), "utf8"));
  expect(lines(output, "AX.tsv")).toHaveLength(6);
});

test("labels are found by their names in any order, ids are written where GLUE has ids, and a foreign label is refused", async () => {
  const files = {
    "test.tsv": tsv(["index", "#1 ID", "#2 ID", "#1 String", "#2 String"], ["0", "1", "2", "the word", "a word"]),
  };
  const written = async (...labels: readonly string[]) => {
    const output = join(fresh("mrpc"), "mine.tsv");
    const [row] = await predict({
      model: model(...labels),
      task: "glue/mrpc",
      input: folderOf(files),
      format: "glue",
      output,
    });
    return [row!.label, readFileSync(output, "utf8")];
  };
  const ids = { equivalent: 1, not_equivalent: 0 };
  for (const labels of [
    ["equivalent", "not_equivalent", "x"],
    ["not_equivalent", "equivalent", "x"],
    ["x", "Equivalent", "not_equivalent"],
  ]) {
    const [label, text] = await written(...labels).catch((error: Error) => [undefined, error.message]);
    if (text?.startsWith("index"))
      expect(text).toBe(`index\tprediction\n0\t${ids[label!.toLowerCase() as keyof typeof ids]}\n`);
    else expect(text).toContain("The model predicts x, which is not a label of glue/mrpc (not_equivalent, equivalent)");
  }
});

test("scores have three decimals and stay between 0 and 5", async () => {
  const data = folderOf({ "test.tsv": pairs(2) });
  const output = fresh("stsb");
  const one = join(GOLDEN, "bert/regression");
  const asked = { model: one, task: "glue/stsb", input: data, format: "glue", output } as const;
  const rows = await predict(asked);
  const expected = rows.map(({ value }, i) => `${i}\t${Math.min(5, Math.max(0, value!)).toFixed(3)}`);
  expect(lines(output, "STS-B.tsv")).toEqual(["index\tprediction", ...expected, ""]);
});

test("what GLUE does not take is refused before a model is opened", async () => {
  const data = folderOf({ "test.tsv": pairs(1), "test_matched.tsv": pairs(1), "test_mismatched.tsv": pairs(1) });
  const call = (settings: object) =>
    predict({ model: "none", task: "glue/rte", input: data, format: "glue", output: fresh(), ...settings });
  await expect(call({ task: "sequence-classification" })).rejects.toThrow(
    "--format glue needs a set of GLUE as --task",
  );
  await expect(call({ task: "squad/v1.1" })).rejects.toThrow();
  await expect(call({ split: "validation" })).rejects.toThrow("all test rows: leave --split out");
  await expect(call({ limit: 3 })).rejects.toThrow("all test rows: leave --limit out");
  await expect(call({ output: undefined })).rejects.toThrow("give the folder for the submission");
  await expect(call({ task: "glue/mnli", output: "x.tsv" })).rejects.toThrow("is one file, but glue/mnli has 2");
});
