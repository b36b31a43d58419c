/** Exported folders in transformers.js, beside what bidora itself predicts. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  AutoModelForSequenceClassification,
  AutoTokenizer,
  env,
  type PipelineType,
  pipeline,
  type Tensor,
} from "@huggingface/transformers";
import { beforeAll, describe, expect, test } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import { load } from "../../../../src/app/commands/models/load.js";
import { loadTokenizer } from "../../../../src/text/index.js";
import { families, GOLDEN, manifest, readJson } from "../../../parity/goldenFiles.js";
import { freshPath } from "../../../support/workFolder.js";
import { distance } from "./onnxModel.js";

const models = freshPath("models");

beforeAll(() => {
  mkdirSync(models);
  Object.assign(env, { allowRemoteModels: false, localModelPath: models });
});

/** Exports a golden checkpoint; returns its name for transformers.js. */
async function exported(family: string, checkpoint: string, task?: "feature-extraction"): Promise<string> {
  const name = [family, checkpoint, task].filter(Boolean).join("-");
  const model = join(GOLDEN, family, checkpoint);
  await exportModel({ model, to: "onnx", task, output: join(models, name), overwrite: true });
  return name;
}

interface Predicted {
  readonly label: string;
  readonly score: number;
  readonly scores: readonly number[];
  readonly labels: readonly string[];
  readonly logits: readonly number[];
}

async function predicted(family: string, checkpoint: string, rows: readonly (string | Record<string, unknown>)[]) {
  await using model = await load({ model: join(GOLDEN, family, checkpoint), dtype: "float32" });
  return (await model.predict(rows)) as unknown as Predicted[];
}

// biome-ignore lint/suspicious/noExplicitAny: the pipelines' types are unions over all tasks
const pipelineOf = async (task: PipelineType, name: string): Promise<any> => pipeline(task, name, { dtype: "fp32" });

const TEXTS = ["the cat sat on the mat", "no", "a good day to all of you"];
const PAIRS = [
  ["the cat sat", "on the mat"],
  ["no", "a good day to all"],
] as const;

/** Those of the golden checkpoint `multi`, in order. */
const LABELS = Object.values(
  readJson<{ id2label: Record<string, string> }>(join(GOLDEN, "bert/multi/config.json")).id2label,
);

const CLASSIFIERS = families.filter((family) =>
  manifest(family).forward.some(({ checkpoint, head }) => checkpoint === "single" && head === "single"),
);
const DECODERS = families.filter((family) => manifest(family).forward.some(({ head }) => head === "lm"));
const ENCODERS = CLASSIFIERS.filter((family) => !DECODERS.includes(family));

test.each(ENCODERS)("%s: AutoModel and AutoTokenizer give the logits of pairs, in a padded batch", async (family) => {
  const name = await exported(family, "single");
  const [first, second] = [PAIRS.map(([a]) => a), PAIRS.map(([, b]) => b)];
  const rows = PAIRS.map(([sentence1, sentence2]) => ({ sentence1, sentence2 }));
  const tokenizer = await AutoTokenizer.from_pretrained(name);
  const model = await AutoModelForSequenceClassification.from_pretrained(name, { dtype: "fp32" });
  const inputs = tokenizer(first, { text_pair: second, padding: true, truncation: true });
  const { logits } = (await model(inputs)) as { logits: Tensor };
  const expected = (await predicted(family, "single", rows)).flatMap(({ logits }) => logits);
  expect(distance(Array.from(logits.data as Float32Array), expected)).toBeLessThan(1e-4);
});

test("a folder with vocab.txt alone gets the tokenizer's files, with token types of pairs and padding", async () => {
  const model = freshPath("vocabulary");
  cpSync(join(GOLDEN, "bert/single"), model, { recursive: true });
  const { vocab } = readJson<{ model: { vocab: Record<string, number> } }>(join(model, "tokenizer.json")).model;
  const words = Object.entries(vocab).sort(([, a], [, b]) => a - b);
  writeFileSync(join(model, "vocab.txt"), words.map(([word]) => word).join("\n"));
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) rmSync(join(model, name));
  const output = join(models, "vocabulary");
  await exportModel({ model, to: "onnx", output });
  const tokenizer = await AutoTokenizer.from_pretrained("vocabulary");
  const own = await loadTokenizer(model);
  const rows = await own.encodeBatch(PAIRS, {});
  const found = tokenizer(
    PAIRS.map(([a]) => a),
    { text_pair: PAIRS.map(([, b]) => b), padding: true },
  );
  const length = Math.max(...rows.map(({ inputIds }) => inputIds.length));
  const padded = (ids: readonly number[]) => [...ids, ...Array.from({ length: length - ids.length }, () => 0)];
  expect(numbersOf(found.input_ids)).toEqual(rows.map(({ inputIds }) => padded(inputIds)));
  expect(numbersOf(found.token_type_ids as Tensor)).toEqual(rows.map(({ tokenTypeIds }) => padded(tokenTypeIds)));
});

const numbersOf = (tensor: Tensor): number[][] => (tensor.tolist() as bigint[][]).map((row) => row.map(Number));

describe("pipelines", () => {
  test("text-classification: labels and scores", async () => {
    const classify = await pipelineOf("text-classification", await exported("bert", "single"));
    const found = (await classify(TEXTS)) as { label: string; score: number }[];
    const expected = await predicted("bert", "single", TEXTS);
    expect(found.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
    expect(
      distance(
        found.map(({ score }) => score),
        expected.map(({ score }) => score),
      ),
    ).toBeLessThan(1e-4);
  });

  test("text-classification of several labels: a sigmoid each", async () => {
    const classify = await pipelineOf("text-classification", await exported("bert", "multi"));
    const found = (await classify(TEXTS, { top_k: null })) as { label: string; score: number }[][];
    const expected = await predicted("bert", "multi", TEXTS);
    for (const [i, row] of found.entries()) {
      const scores = new Map(row.map(({ label, score }) => [label, score]));
      const inOrder = LABELS.map((label) => scores.get(label) as number);
      expect(distance(inOrder, expected[i]!.scores)).toBeLessThan(1e-4);
    }
  });

  test("token-classification: the entity of each word", async () => {
    const classify = await pipelineOf("token-classification", await exported("bert", "tokens"));
    const words = ["the", "cat", "sat", "no"];
    const [expected] = await predicted("bert", "tokens", [{ tokens: words }]);
    const found = (await classify(words.join(" "), { ignore_labels: [] })) as { entity: string; word: string }[];
    const firsts = found.filter(({ word }) => !word.startsWith("##"));
    expect(firsts.map(({ entity }) => entity)).toEqual(expected?.labels);
  });

  test("question-answering: start and end are not swapped", async () => {
    const answer = await pipelineOf("question-answering", await exported("bert", "questions"));
    const { answer: found } = (await answer("who sat", "the cat sat on the mat")) as { answer: string };
    expect("the cat sat on the mat").toContain(found);
  });

  test.each(["left", "right"])(
    "feature-extraction: the mean of a padded batch is that of each row, padded on the %s",
    async (side) => {
      const extract = await pipelineOf("feature-extraction", await exported("bert", "single", "feature-extraction"));
      extract.tokenizer.padding_side = side;
      const batch = ((await extract(TEXTS, { pooling: "mean" })) as Tensor).tolist();
      for (const [i, text] of TEXTS.entries()) {
        const alone = ((await extract(text, { pooling: "mean" })) as Tensor).tolist();
        expect(distance(batch[i] as number[], alone[0] as number[])).toBeLessThan(1e-5);
      }
    },
  );
});
