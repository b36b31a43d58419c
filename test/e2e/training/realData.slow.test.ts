import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { BERT, DATA, run, write } from "../support.js";

const MINILM = "sentence-transformers/all-MiniLM-L6-v2";
/** The first sentences of a file of columns. */
function firstOf(path: string, sentences: number): string {
  const all = readFileSync(join(DATA, path), "utf8").split("\n\n");
  return write(basename(path), `${all.slice(0, sentences).join("\n\n")}\n\n`);
}

const isCached = ["bidora", "huggingface"].some((name) => existsSync(join(homedir(), ".cache", name)));

describe.skipIf(!existsSync(DATA))("published data sets", () => {
  test.each([
    ["glue/mrpc", "glue/MRPC", ["accuracy", "f1", "loss"]],
    ["glue/cola", "glue/CoLA", ["loss", "matthewsCorrelation"]],
    ["glue/stsb", "glue/STS-B", ["loss", "pearson", "spearman"]],
  ] as const)("the named data set %s trains with BiDoRA", async (task, folder, names) => {
    const settings = {
      task,
      data: join(DATA, folder),
      train: undefined,
      batchSize: 8,
      maxSteps: 3,
      maxLength: 32,
    } as const;
    const { metrics } = await run({ ...settings, model: join(BERT, "no-prefix"), learningRate: 1e-3 });
    expect(Object.keys(metrics).sort()).toEqual(names);
  });

  test("CoNLL-U files and IOB columns train with DoRA", async () => {
    const settings = {
      method: "dora",
      model: join(BERT, "no-prefix"),
      task: "token-classification",
      maxSteps: 2,
      maxLength: 32,
    } as const;
    const upos = await run({
      ...settings,
      train: join(DATA, "ud_english_ewt/en_ewt-ud-test.conllu"),
      validation: firstOf("ud_english_ewt/en_ewt-ud-dev.conllu", 100),
      labelColumn: ["upos"],
    });
    expect(Object.keys(upos.metrics).sort()).toEqual(["accuracy", "loss"]);
    const iob = await run({
      ...settings,
      train: join(DATA, "jnlpba/devel.tsv"),
      validation: firstOf("jnlpba/devel.tsv", 100),
    });
    expect(Object.keys(iob.metrics).sort()).toEqual(["accuracy", "f1", "loss", "precision", "recall"]);
  });

  test.skipIf(!isCached)("a pretrained encoder is opened by its Hub name", async () => {
    const settings = {
      task: "glue/mrpc",
      data: join(DATA, "glue/MRPC"),
      train: undefined,
      batchSize: 8,
      maxSteps: 3,
      maxLength: 64,
    } as const;
    const { metrics, notes } = await run({ ...settings, model: MINILM, learningRate: 1e-3, retrainSteps: 1 });
    expect(metrics.accuracy).toBeGreaterThan(0.25);
    expect(notes.join()).toMatch(/Initialized a new head/);
  });
});
