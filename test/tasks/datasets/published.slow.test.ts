import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readTsv } from "../../../src/tasks/data/files/tableFiles.js";
import { loadTable } from "../../../src/tasks/data/index.js";
import { namedDatasets, type Split } from "../../../src/tasks/datasets/index.js";
import type { NamedDataset } from "../../../src/tasks/datasets/namedDatasets.js";
import { loadExamples } from "../data/loadExamples.js";

const data = fileURLToPath(new URL("../../../../shared/data", import.meta.url));

describe.skipIf(!existsSync(data))("files as published", () => {
  it.each<[NamedDataset, string, Split, number, readonly number[]]>([
    ["glue/cola", "CoLA", "train", 8551, [2528, 6023]],
    ["glue/cola", "CoLA", "validation", 1043, [322, 721]],
    ["glue/cola", "CoLA", "test", 1063, []],
    ["glue/mrpc", "MRPC", "train", 3668, [1194, 2474]],
    ["glue/mrpc", "MRPC", "validation", 408, [129, 279]],
    ["glue/mrpc", "MRPC", "test", 1725, []],
    ["glue/sst2", "SST-2", "train", 67349, [29780, 37569]],
    ["glue/sst2", "SST-2", "validation", 872, [428, 444]],
    ["glue/sst2", "SST-2", "test", 1821, []],
    ["glue/qnli", "QNLI", "train", 9999, []],
    ["glue/qnli", "QNLI", "validation", 5463, [2702, 2761]],
    ["glue/qqp", "QQP", "train", 23496, []],
    ["glue/qqp", "QQP", "validation", 9372, []],
    ["glue/mnli", "MNLI", "train", 9999, []],
    ["glue/mnli", "MNLI", "validation", 9815 + 1000, []],
  ])("%s in %s, %s: %i rows", async (name, folder, split, rows, counts) => {
    const { labelNames, load } = namedDatasets[name];
    const { examples } = await load(`${data}/glue/${folder}`, split);
    expect(examples.length).toBe(rows);
    const labels = examples.map((example) => example.label);
    const counted = labelNames.map((label) => labels.filter((l) => l === label).length);
    if (counts.length > 0) expect(counted).toEqual(counts);
    expect(counted.reduce((a, b) => a + b)).toBe(split === "test" ? 0 : rows);
  });

  it.each<[NamedDataset, string, Split, number, number]>([
    ["reuters21578/modapte", "reuters21578", "train", 9603, 115],
    ["reuters21578/modapte", "reuters21578", "test", 3299, 115],
    ["reuters21578/modhayes", "reuters21578", "train", 20856, 118],
    ["reuters21578/modhayes", "reuters21578", "test", 722, 118],
    ["reuters21578/modlewis", "reuters21578", "train", 13625, 115],
    ["reuters21578/modlewis", "reuters21578", "test", 6188, 115],
    ["jnlpba", "jnlpba", "train", 16807, 11],
    ["jnlpba", "jnlpba", "validation", 1739, 11],
    ["jnlpba", "jnlpba", "test", 3856, 11],
    ["protein/bbp", "protein/bbp", "train", 200, 2],
    ["protein/bbp", "protein/bbp", "test", 38, 2],
    ["ud-english-ewt", "ud_english_ewt", "train", 12544, 17],
    ["ud-english-ewt", "ud_english_ewt", "validation", 2001, 17],
    ["ud-english-ewt", "ud_english_ewt", "test", 2077, 17],
  ])("%s in %s, %s: %i rows", async (name, folder, split, rows, labels) => {
    const { examples, labelNames } = await namedDatasets[name].load(`${data}/${folder}`, split);
    expect([examples.length, labelNames?.length]).toEqual([rows, labels]);
    const texts = examples.map(({ input }) => (input as readonly string[]).join(" "));
    expect(texts.filter((text) => text.trim() === "")).toEqual([]);
  });

  it("ModApte has 1 828 training stories without a topic, and 90 topics in training and test", async () => {
    const [train, test] = await Promise.all(
      (["train", "test"] as const).map(async (split) => {
        const { examples } = await namedDatasets["reuters21578/modapte"].load(`${data}/reuters21578`, split);
        return examples.map(({ label }) => label as readonly string[]);
      }),
    );
    expect(train?.filter((topics) => topics.length === 0).length).toBe(1828);
    expect(new Set(test?.flat()).size).toBe(90);
  });

  it("STS-B has scores from 0 to 5", async () => {
    for (const [split, rows] of [
      ["train", 5749],
      ["validation", 1500],
    ] as const) {
      const { examples } = await namedDatasets["glue/stsb"].load(`${data}/glue`, split);
      const scores = examples.map((example) => Number(example.label));
      expect(scores.length).toBe(rows);
      expect([Math.min(...scores), Math.max(...scores)]).toEqual([0, 5]);
    }
  });

  it("MRPC's quotes and byte-order mark are read correctly", async () => {
    const { examples } = await namedDatasets["glue/mrpc"].load(`${data}/glue/MRPC`, "validation");
    const [first] = examples;
    expect(first).toMatchObject({ label: "equivalent", at: { line: 2 } });
    expect((first!.input as readonly string[])[1]).toMatch(/^" The .* strategy \.$/);
  });

  it("the general reader of TSV finds the same rows", async () => {
    const sizes = {
      "MRPC/train": 3668,
      "STS-B/train": 5749,
      "QNLI/dev": 5463,
      "MNLI/dev_matched": 9815,
      "SST-2/dev": 872,
    };
    for (const [name, rows] of Object.entries(sizes)) {
      expect((await readTsv(`${data}/glue/${name}.tsv`)).rows.length).toBe(rows);
    }
  });

  it.each([
    ["jnlpba/train.tsv", 16807],
    ["jnlpba/devel.tsv", 1739],
    ["jnlpba/test.tsv", 3856],
    ["jnlpba/Genia4ERtask1.iob2", 16807 + 1739],
    ["jnlpba/Genia4EReval1.iob2", 3856],
    ["ud_english_ewt/en_ewt-ud-train.conllu", 12544],
    ["ud_english_ewt/en_ewt-ud-dev.conllu", 2001],
    ["ud_english_ewt/en_ewt-ud-test.conllu", 2077],
  ])("%s has %i sentences", async (file, sentences) => {
    const { examples } = await loadExamples(`${data}/${file}`, { task: "token-classification" });
    expect(examples.length).toBe(sentences);
  });

  it("JNLPBA and Universal Dependencies have their known tags", async () => {
    const tags = async (file: string, labelColumns?: string[]) => {
      const { examples } = await loadExamples(`${data}/${file}`, { task: "token-classification", labelColumns });
      return new Set(examples.flatMap((example) => (example.label ?? []) as string[]));
    };
    expect((await tags("jnlpba/train.tsv")).size).toBe(11);
    expect((await tags("ud_english_ewt/en_ewt-ud-dev.conllu", ["upos"])).size).toBe(17);
    expect(await tags("ud_english_ewt/en_ewt-ud-dev.conllu", ["deprel"])).toContain("nsubj:pass");
  });

  it("sms_spam has no header row", async () => {
    const { examples } = await loadExamples(`${data}/sms_spam/sms.tsv`, {
      task: "sequence-classification",
      header: ["label", "text"],
    });
    const labels = examples.map((example) => example.label);
    expect([labels.length, labels.filter((label) => label === "spam").length]).toEqual([5574, 747]);
  });

  it.each([
    ["trainset.csv", 42061],
    ["devset.csv", 4672],
    ["testset_w_refs.csv", 4693],
  ])("e2e_nlg/%s has %i rows, with line breaks inside quotes", async (file, rows) => {
    expect((await loadTable(`${data}/e2e_nlg/${file}`)).rows.length).toBe(rows);
  });

  it.each<[Split, number, number]>([
    ["train", 42061, 4862],
    ["validation", 4672, 547],
    ["test", 4693, 630],
  ])("e2e-nlg, %s: %i rows, %i meanings", async (split, rows, meanings) => {
    const { examples } = await namedDatasets["e2e-nlg"].load(`${data}/e2e_nlg`, split);
    const inputs = examples.map(({ input }) => input as { prompt: string; completion: string });
    expect([inputs.length, new Set(inputs.map(({ prompt }) => prompt)).size]).toEqual([rows, meanings]);
    expect(inputs.every(({ prompt, completion }) => prompt.endsWith("] ||") && /^ \S/.test(completion))).toBe(true);
  });
});
