import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { NamedDataset } from "../../../src/tasks/datasets/namedDatasets.js";
import { faultOf, folderOf, HUB, rowsOf } from "./folders.js";

const GLUE = join(HUB, "glue");
const MRPC = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n";

/** A copy of a set of the Hub, without some of its files. */
function copyOf(set: string, ...without: readonly string[]): string {
  const folder = folderOf({});
  cpSync(join(HUB, set), folder, { recursive: true });
  for (const name of without) rmSync(join(folder, name));
  return folder;
}

describe("GLUE's Parquet files from the Hub", () => {
  it.each<[NamedDataset, string, unknown[], unknown[]]>([
    ["glue/cola", "cola", [["s 0"], ["s 1"]], ["acceptable", "unacceptable"]],
    ["glue/qnli", "qnli", [["q 0?", "s 0"]], ["not_entailment"]],
    ["glue/qqp", "qqp", [["a", "b"]], ["duplicate"]],
    ["glue/stsb", "stsb", [["a 0", '"b" 0']], [3.8]],
    ["glue/mnli", "mnli", [0, 1, 2].map((i) => [`p ${i}`, `h ${i}`]), ["entailment", "neutral", "contradiction"]],
  ])(
    "%s has its columns and labels, in its own folder and in that of all sets",
    async (name, folder, inputs, labels) => {
      for (const place of [GLUE, join(GLUE, folder)])
        expect(await rowsOf(name, place, "train")).toMatchObject({ inputs, labels });
    },
  );

  it("Parquet files give the same rows as TSV files", async () => {
    const tsv = folderOf({
      "MRPC/train.tsv": `${MRPC}1\t1\t2\ta 0\t"b" 0\n0\t1\t2\ta 1\t"b" 1\n1\t1\t2\ta 2\t"b" 2\n`,
      "MRPC/dev.tsv": `${MRPC}0\t1\t2\ta 3\t"b" 3\n`,
      "MRPC/test.tsv": `index\t${MRPC.slice(8)}0\t1\t2\ta 4\t"b" 4\n1\t1\t2\ta 5\t"b" 5\n`,
    });
    for (const split of ["train", "validation", "test"] as const) {
      const { lines: _, ...published } = await rowsOf("glue/mrpc", tsv, split);
      expect(await rowsOf("glue/mrpc", GLUE, split)).toMatchObject(published);
    }
    expect((await rowsOf("glue/mrpc", GLUE, "test")).labels).toEqual([undefined, undefined]);
  });

  it("Parquet files are ignored where there are TSV files", async () => {
    const folder = copyOf("glue/mrpc");
    const both = folderOf({ "train.tsv": `${MRPC}1\t1\t2\tx\ty\n` });
    cpSync(folder, both, { recursive: true });
    expect((await rowsOf("glue/mrpc", both, "train")).inputs).toEqual([["x", "y"]]);
  });

  it("a missing Parquet file is an error", async () => {
    const name = "train-00001-of-00002.parquet";
    expect(await faultOf(rowsOf("glue/mrpc", copyOf("glue/mrpc", name), "train"))).toContain(
      "has 1 of the 2 files train-….parquet: all are needed.",
    );
    expect(await faultOf(rowsOf("glue/rte", join(GLUE, "mnli"), "validation"))).toContain(
      "has no dev.tsv of GLUE's RTE, nor the Hub's validation-….parquet",
    );
    const mnli = copyOf("glue/mnli", "validation_mismatched-00000-of-00001.parquet");
    expect(await faultOf(rowsOf("glue/mnli", mnli, "validation"))).toContain(
      "has no dev_mismatched.tsv of GLUE's MNLI, nor the Hub's validation_mismatched-….parquet: --data must be the folder",
    );
    expect(await faultOf(rowsOf("glue/cola", join(GLUE, "mrpc"), "train"))).toContain(
      "has no column sentence of GLUE's CoLA",
    );
  });

  it("labels that are not class ids are refused", async () => {
    const folder = copyOf("glue/cola", "train-00000-of-00001.parquet");
    cpSync(join(folder, "test-00000-of-00001.parquet"), join(folder, "train-00000-of-00001.parquet"));
    expect(await faultOf(rowsOf("glue/cola", folder, "train"))).toContain(
      "line 1: the column label must hold a number from 0 to 1, but holds -1.",
    );
  });
});

describe("MNLI's matched and mismatched validation rows", () => {
  const labelsOf = async (name: NamedDataset, folder: string) => (await rowsOf(name, folder, "validation")).labels;
  const row = (label: string) => `sentence1\tsentence2\tgold_label\na\tb\t${label}\n`;

  it.each([
    ["Parquet", () => GLUE, ["neutral", "contradiction"], ["entailment"]],
    [
      "TSV",
      () => folderOf({ "dev_matched.tsv": row("neutral"), "dev_mismatched.part.tsv": row("entailment") }),
      ["neutral"],
      ["entailment"],
    ],
  ])("matched and mismatched rows are read together or alone, from %s", async (_, folder, matched, mismatched) => {
    const place = folder();
    expect(await labelsOf("glue/mnli", place)).toEqual([...matched, ...mismatched]);
    expect(await labelsOf("glue/mnli-matched", place)).toEqual(matched);
    expect(await labelsOf("glue/mnli-mismatched", place)).toEqual(mismatched);
    expect((await rowsOf("glue/mnli-matched", GLUE, "train")).inputs.length).toBe(3);
  });

  it("glue/mnli needs both files", async () => {
    const folder = folderOf({ "dev_matched.tsv": row("neutral") });
    expect(await faultOf(rowsOf("glue/mnli", folder, "validation"))).toContain(
      "has no dev_mismatched.tsv of GLUE's MNLI",
    );
    expect(await labelsOf("glue/mnli-matched", folder)).toEqual(["neutral"]);
  });
});

describe("SQuAD", () => {
  const context = "In 😀 1066 they came.";
  const answers = [{ text: "1066", answer_start: 5 }];
  const json = (...qas: object[]) =>
    JSON.stringify({ version: "x", data: [{ title: "t", paragraphs: [{ context, qas }] }] });
  const asked = { id: "1", question: "When?", answers };
  const unanswerable = { id: "2", question: "Why?", answers: [], is_impossible: true };

  it("both versions of SQuAD are read from JSON", async () => {
    const first = folderOf({ "train-v1.1.json": json(asked), "dev-v1.1.json": json(asked, asked) });
    expect(await rowsOf("squad", first, "train")).toMatchObject({
      inputs: [["When?", context]],
      labels: [[{ text: "1066", start: 5 }]],
    });
    expect((await rowsOf("squad", first, "validation")).inputs.length).toBe(2);
    const second = folderOf({ "train-v2.0.json": json(asked, unanswerable), "dev-v2.0.json": json(unanswerable) });
    expect((await rowsOf("squad", second, "train")).labels).toEqual([[{ text: "1066", start: 5 }], []]);
    expect((await rowsOf("squad", second, "validation")).labels).toEqual([[]]);
  });

  it("SQuAD is read from the Hub's Parquet files", async () => {
    for (const folder of [join(HUB, "squad"), join(HUB, "squad/plain_text")]) {
      expect(await rowsOf("squad", folder, "train")).toMatchObject({
        inputs: [["When?", context]],
        labels: [[{ text: "1066", start: 5 }]],
      });
      expect((await rowsOf("squad", folder, "validation")).labels).toMatchObject([[{}, { text: "1066 they" }]]);
    }
    expect((await rowsOf("squad", join(HUB, "squad_v2"), "train")).labels).toMatchObject([[{}], []]);
  });

  it("two versions in a folder, and test rows, are refused", async () => {
    const both = folderOf({ "train-v1.1.json": json(asked), "train-v2.0.json": json(asked) });
    expect(await faultOf(rowsOf("squad", both, "train"))).toContain(
      "has both versions of SQuAD: give a folder with one",
    );
    const mixed = folderOf({ "train-v1.1.json": json(asked), "dev-v2.0.json": json(asked) });
    expect(await faultOf(rowsOf("squad", mixed, "train"))).toContain("has both versions of SQuAD");
    expect(await faultOf(rowsOf("squad", folderOf({ "train-v2.0.json": "" }), "validation"))).toContain(
      "has no dev-v2.0.json or validation-….parquet of SQuAD",
    );
    expect(await faultOf(rowsOf("squad", folderOf({}), "validation"))).toContain(
      "has no dev-v1.1.json or dev-v2.0.json or validation-….parquet of SQuAD: --data must be the folder",
    );
  });
});
