// A folder in the layout of sentence-transformers' first versions: the transformer in a folder of its own.
import { cpSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readEmbeddingFormat, transformerFolder } from "../../../src/formats/sentenceTransformers.js";
import { openServer } from "../../use/server/openServer.js";
import { bidora, changed, evaluated, fresh, GOLDEN, json, predicted, run } from "../support.js";

const ROOT = join(GOLDEN, "embeddings");
const MODEL = join(ROOT, "bert-oldest");
const file = (name: string) => join(ROOT, `${name}.jsonl`);
const embeddings = async (given: { readonly model: string; readonly adapter?: string }) =>
  (await predicted({ ...given, input: file("texts") })).map(({ embedding }) => embedding as number[]);

/** The same model in the layout of later versions. */
function flat(): string {
  const folder = fresh("flat");
  cpSync(join(MODEL, "0_Transformer"), folder, { recursive: true });
  for (const module of ["1_Pooling", "2_Normalize"])
    cpSync(join(MODEL, module), join(folder, module), { recursive: true });
  const modules = json<Record<string, unknown>[]>(join(MODEL, "modules.json"));
  writeFileSync(join(folder, "modules.json"), JSON.stringify([{ ...modules[0], path: "" }, ...modules.slice(1)]));
  return folder;
}

/** The same model whose transformer is said to be elsewhere. */
function withTransformerIn(path: string): string {
  const folder = changed("embeddings/bert-oldest", "config.json", {});
  const modules = json<Record<string, unknown>[]>(join(folder, "modules.json"));
  writeFileSync(join(folder, "modules.json"), JSON.stringify([{ ...modules[0], path }, ...modules.slice(1)]));
  return folder;
}

test("predict, evaluate and finetune give what they give for the layout of later versions", async () => {
  const results = [];
  for (const model of [MODEL, flat()]) {
    const trained = await run({
      model,
      task: "embedding",
      train: file("negatives"),
      batchSize: 3,
      method: "lora",
      dtype: "float32",
    });
    results.push({
      vectors: await embeddings({ model }),
      metrics: await evaluated({ model, task: "embedding", data: file("scored") }),
      trained: await embeddings({ model, adapter: trained.output }),
    });
  }
  expect(results[0]).toEqual(results[1]);
});

test("merge and full training leave the layout of later versions; export, serve and inspect take it", async () => {
  const settings = { model: MODEL, task: "embedding", train: file("negatives"), batchSize: 3 } as const;
  const [{ output: full }, { output: adapter }] = [
    await run({ ...settings, method: "full" }),
    await run({ ...settings, method: "lora" }),
  ];
  const merged = fresh("merged");
  expect((await bidora("merge", "--model", MODEL, "--adapter", adapter, "--output", merged)).status).toBe(0);
  const own = readEmbeddingFormat(transformerFolder(MODEL));
  for (const folder of [full, merged]) {
    expect(existsSync(join(folder, "0_Transformer"))).toBe(false);
    expect(readEmbeddingFormat(folder)).toMatchObject({ pooling: own.pooling, normalizes: true });
  }
  for (const [to, output] of [
    ["onnx", fresh("onnx")],
    ["gguf", fresh("model.gguf")],
  ] as const)
    expect(await bidora("export", "--model", MODEL, "--to", to, "--output", output)).toMatchObject({ status: 0 });
  const { stdout } = await bidora("inspect", MODEL);
  expect(stdout).toMatch(/^embeddings +cls pooling; normalized; up to 14 tokens$/m);
  const { client } = await openServer({ model: MODEL });
  const [expected] = await embeddings({ model: MODEL });
  const input = "The small boat left the harbour before sunrise.";
  const { data } = await client.embeddings.create({ model: "bert-oldest", input, encoding_format: "float" });
  expect(data[0]!.embedding).toEqual(expected!.map((value) => expect.closeTo(value, 6)));
});

test("a transformer that is missing, or outside the folder, is refused by name", async () => {
  const without = changed("embeddings/bert-oldest", "config.json", {});
  rmSync(join(without, "0_Transformer", "config.json"));
  rmSync(join(without, "config.json"));
  await expect(embeddings({ model: without })).rejects.toThrow(`${without} has no config.json`);
  for (const path of ["../bert-mean", join(ROOT, "bert-mean"), "a/b", ".."])
    await expect(embeddings({ model: withTransformerIn(path) })).rejects.toThrow(
      `modules.json has its Transformer in ${path}: expected a folder directly in the model's, such as 0_Transformer`,
    );
  await expect(embeddings({ model: withTransformerIn("none") })).rejects.toThrow(
    /^The model's config\.json: model_type/,
  );
});

test("a transformer's place may be spelled with a point before or a slash behind it", async () => {
  const [expected] = await embeddings({ model: MODEL });
  for (const path of ["./0_Transformer", "0_Transformer/"])
    expect((await embeddings({ model: withTransformerIn(path) }))[0]).toEqual(expected);
});
