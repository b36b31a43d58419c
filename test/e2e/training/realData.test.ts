import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BERT, DATA, run } from "../support.js";

const MINILM = "sentence-transformers/all-MiniLM-L6-v2";
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
    const ewt = join(DATA, "ud_english_ewt");
    const settings = {
      method: "dora",
      model: join(BERT, "no-prefix"),
      task: "token-classification",
      maxSteps: 2,
      maxLength: 32,
    } as const;
    const upos = await run({
      ...settings,
      train: join(ewt, "en_ewt-ud-test.conllu"),
      validation: join(ewt, "en_ewt-ud-dev.conllu"),
      labelColumn: ["upos"],
    });
    expect(Object.keys(upos.metrics).sort()).toEqual(["accuracy", "loss"]);
    const iob = await run({
      ...settings,
      train: join(DATA, "jnlpba/devel.tsv"),
      validation: join(DATA, "jnlpba/devel.tsv"),
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
