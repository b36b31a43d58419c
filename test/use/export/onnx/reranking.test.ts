/** Exported rerankers in transformers.js, beside what bidora itself predicts. */
import { basename, dirname, join } from "node:path";
import { AutoModelForSequenceClassification, AutoTokenizer, env, type Tensor } from "@huggingface/transformers";
import { expect, test } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import { load } from "../../../../src/app/commands/models/load.js";
import { readCrossEncoderFormat } from "../../../../src/formats/index.js";
import { GOLDEN } from "../../../parity/goldenFiles.js";
import { freshPath } from "../../../support/workFolder.js";
import { distance } from "./onnxModel.js";

const ROOT = join(GOLDEN, "reranking");
const PAIRS = [
  ["small boat", "the wall"],
  ["river", "a"],
] as const;

const ACTIVATIONS = { identity: (x: number) => x, sigmoid: (x: number) => 1 / (1 + Math.exp(-x)) };

test.each([
  ["identity", { model: join(ROOT, "bert-6") }],
  ["sigmoid", { model: join(ROOT, "roberta-4") }],
  ["identity", { model: join(ROOT, "bert-6"), adapter: join(ROOT, "adapter") }],
] as const)("logits that give the scores, by %s", async (activation, settings) => {
  const output = freshPath("onnx");
  const { notes } = await exportModel({ ...settings, to: "onnx", output, data: join(ROOT, "scored.jsonl") });
  expect(notes?.join(" ")).toContain(
    `softmax of the one output, which is always 1: call AutoModelForSequenceClassification, whose logits give the score, by ${activation}.`,
  );
  Object.assign(env, { allowRemoteModels: false, localModelPath: dirname(output) });
  const tokenizer = await AutoTokenizer.from_pretrained(basename(output));
  const model = await AutoModelForSequenceClassification.from_pretrained(basename(output), { dtype: "fp32" });
  const [queries, documents] = [PAIRS.map(([query]) => query), PAIRS.map(([, document]) => document)];
  const inputs = tokenizer(queries, { text_pair: documents, padding: true, truncation: true });
  const { logits } = (await model(inputs)) as { logits: Tensor };
  expect(logits.dims).toEqual([PAIRS.length, 1]);
  await using own = await load({ ...settings, dtype: "float32" });
  const expected = await own.predict(PAIRS.map(([query, document]) => ({ query, document })));
  const found = Array.from(logits.data as Float32Array, ACTIVATIONS[activation]);
  expect(
    distance(
      found,
      expected.map(({ score }) => score as number),
    ),
  ).toBeLessThan(1e-4);
  expect(readCrossEncoderFormat(output)).toEqual({ activation, maxLength: 20 });
});

test("the error of smaller data types, of rows with several documents", async () => {
  const output = freshPath("onnx");
  const settings = { model: join(ROOT, "bert-6"), to: "onnx", output, dtype: ["fp32", "q8"] } as const;
  const { files } = await exportModel({ ...settings, data: join(ROOT, "pairs.jsonl") });
  expect(files?.map(({ error }) => error)).toEqual([0, expect.any(Number)]);
  expect(files![1]!.error).toBeGreaterThan(0);
});

test("a classifier with one output that says nothing is a reranker with --task reranking", async () => {
  const output = freshPath("onnx");
  const { notes } = await exportModel({
    model: join(GOLDEN, "roberta/regression"),
    to: "onnx",
    output,
    task: "reranking",
  });
  expect(notes?.join(" ")).toContain("whose logits give the score, by sigmoid.");
  expect(readCrossEncoderFormat(output).activation).toBe("sigmoid");
});
