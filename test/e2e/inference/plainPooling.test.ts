// --pooling for an encoder whose folder says nothing of embeddings.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openGguf } from "../../../src/formats/gguf/file.js";
import { readEmbeddingFormat } from "../../../src/formats/sentenceTransformers.js";
import { openServer } from "../../use/server/openServer.js";
import { BERT, bidora, evaluated, fresh, GOLDEN, json, predicted, run } from "../support.js";

const ROOT = join(GOLDEN, "embeddings");
const PLAIN = join(BERT, "no-prefix");
const file = (name: string) => join(ROOT, `${name}.jsonl`);
const TEXT = "old stone wall";

/** The plain encoder as a model of sentence-transformers with a pooling. */
function withModules(pooling: string): string {
  const folder = fresh("modules");
  cpSync(PLAIN, folder, { recursive: true });
  cpSync(join(ROOT, "bert-mean", "1_Pooling"), join(folder, "1_Pooling"), { recursive: true });
  const modules = json<unknown[]>(join(ROOT, "bert-mean", "modules.json"));
  writeFileSync(join(folder, "modules.json"), JSON.stringify(modules.slice(0, 2)));
  writeFileSync(join(folder, "1_Pooling", "config.json"), JSON.stringify({ pooling_mode: pooling }));
  return folder;
}

const vectorsOf = async (settings: Parameters<typeof predicted>[0]) =>
  (await predicted({ input: file("texts"), ...settings })).map(({ embedding }) => embedding as number[]);

test.each([
  ["mean", "mean"],
  ["cls", "cls"],
  ["last", "lasttoken"],
] as const)("%s is that of a folder with such a module: predict, evaluate and serve", async (pooling, mode) => {
  const model = withModules(mode);
  const expected = await vectorsOf({ model });
  expect(await vectorsOf({ model: PLAIN, pooling })).toEqual(expected);
  expect(await vectorsOf({ model: PLAIN, task: "embedding", pooling })).toEqual(expected);
  const data = file("scored");
  const metrics = await evaluated({ model: PLAIN, pooling, data });
  expect(metrics).toEqual(await evaluated({ model, data }));
  expect(metrics).toEqual(await evaluated({ model: PLAIN, task: "embedding", pooling, data }));
  const { client } = await openServer({ model: PLAIN, pooling });
  const found = await client.embeddings.create({ model: "no-prefix", input: TEXT, encoding_format: "float" });
  expect(found.data[0]!.embedding).toEqual(expected[1]!.map((value) => expect.closeTo(value, 6)));
});

test("export writes it: to GGUF, and to the modules beside an ONNX graph", async () => {
  const [gguf, onnx] = [fresh("model.gguf"), fresh("onnx")];
  for (const [to, output] of [
    ["gguf", gguf],
    ["onnx", onnx],
  ] as const)
    expect(await bidora("export", "--model", PLAIN, "--to", to, "--output", output, "--pooling", "cls")).toMatchObject({
      status: 0,
    });
  expect(readEmbeddingFormat(onnx)).toMatchObject({ pooling: "cls", normalizes: false });
  const written = openGguf(gguf);
  expect(written.metadata.count("bert.pooling_type")).toBe(2);
  written.close();
  expect(readFileSync(join(onnx, "onnx", "model.onnx")).includes("sentence_embedding")).toBe(true);
});

const argv = (command: string): string[] => {
  if (command === "predict") return ["--input", file("texts"), "--output", fresh("out.jsonl")];
  if (command === "evaluate") return ["--data", file("scored")];
  return command === "export" ? ["--to", "onnx", "--output", fresh("onnx")] : ["--port", "0"];
};

test.each(["predict", "evaluate", "export", "serve"])(
  "%s refuses it where the folder says otherwise, or for another task",
  async (command) => {
    const model = withModules("cls");
    const other = await bidora(command, "--model", model, ...argv(command), "--pooling", "mean");
    expect(other).toMatchObject({
      status: 2,
      stderr: `bidora: --pooling mean contradicts the modules of ${model}, cls: leave it out.\n`,
    });
    const [classifier, generator] = [join(BERT, "single"), join(GOLDEN, "llama/lm")];
    const headed = command === "serve" ? generator : classifier;
    const kind = command === "serve" ? "causal-lm" : "sequence-classification";
    expect(await bidora(command, "--model", headed, ...argv(command), "--pooling", "cls")).toMatchObject({
      status: 2,
      stderr: `bidora: No effect: --pooling is for embedding, and the model is for ${kind}; leave it out.\n`,
    });
  },
);

test("it is refused beside an adapter that was trained with another one, and taken beside one with the same", async () => {
  const settings = {
    task: "embedding",
    method: "lora",
    pooling: "cls",
    train: file("negatives"),
    batchSize: 3,
  } as const;
  const { output: adapter } = await run({ ...settings, model: PLAIN });
  await expect(vectorsOf({ model: PLAIN, adapter, pooling: "mean" })).rejects.toThrow(
    "--pooling mean contradicts what the model was trained with, cls: leave it out.",
  );
  expect(await vectorsOf({ model: PLAIN, adapter, pooling: "cls" })).toEqual(
    await vectorsOf({ model: PLAIN, adapter }),
  );
  const served = await bidora("serve", "--model", PLAIN, "--adapter", adapter, "--pooling", "mean", "--port", "0");
  expect([served.status, served.stderr]).toEqual([2, expect.stringContaining("--pooling mean contradicts")]);
});

test.each([
  ["export", ["--to", "gguf-lora", "--output", "x.gguf"], "--pooling (applies only with --to gguf or onnx"],
  ["export", ["--to", "onnx", "--task", "feature-extraction", "--output", "x"], "--pooling (applies only"],
  [
    "evaluate",
    ["--predictions", "x.jsonl", "--data", "y.jsonl", "--task", "embedding"],
    "--pooling (applies only without --predictions",
  ],
  [
    "predict",
    ["--task", "regression", "--input", "x.jsonl", "--output", "y"],
    "--pooling (applies only with embedding",
  ],
])("%s %j: it has no effect", async (command, more, message) => {
  const model = more.includes("--predictions") ? [] : ["--model", PLAIN];
  const { status, stderr } = await bidora(command, ...model, ...more, "--pooling", "cls");
  expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
});
