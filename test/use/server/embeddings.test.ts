// Embeddings are those of predict, for the base model and for each adapter.
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { finetune } from "../../../src/app/commands/finetune.js";
import { load } from "../../../src/app/commands/models/load.js";
import { embeddingsJson } from "../../../src/use/server/embedder.js";
import { fresh, GOLDEN, jsonl } from "../../e2e/support.js";
import { openServer, post } from "./openServer.js";

const MODEL = join(GOLDEN, "embeddings/bert-mean");
const PROMPTED = join(GOLDEN, "embeddings/bert-cls-prompt");
const TEXTS = ["the old wall", "a", "one two three four five six", "", "é"];

const models: { dispose(): void }[] = [];
afterAll(() => {
  for (const model of models) model.dispose();
});

async function predicted(model: string, texts: readonly string[], adapter?: string) {
  const opened = await load({ model, dtype: "float32", ...(adapter && { adapter }) });
  models.push(opened);
  return (await opened.predict(texts)).map(({ embedding }) => embedding as number[]);
}

test.each([MODEL, PROMPTED, join(GOLDEN, "embeddings/gpt2-last")])("of %s", async (folder) => {
  const texts = folder.includes("gpt2") ? TEXTS.filter((text) => text !== "") : TEXTS;
  const { client } = await openServer({ model: folder });
  const expected = await predicted(folder, texts);
  const model = folder.split("/").at(-1) as string;
  for (const encoding_format of ["float", "base64", undefined] as const) {
    const { data, usage } = await client.embeddings.create({
      model,
      input: texts,
      ...(encoding_format && { encoding_format }),
    });
    expect(data.map(({ index }) => index)).toEqual(texts.map((_, i) => i));
    expect(usage.total_tokens).toBeGreaterThan(texts.length);
    if (encoding_format === "base64") continue;
    for (const [i, { embedding }] of data.entries())
      for (const [k, value] of embedding.entries()) expect(value).toBeCloseTo(expected[i]?.[k] as number, 6);
  }
});

test("of adapters that are asked at the same time, each with its own pooling", async () => {
  const words = ["apples", "board", "boat", "bread", "butter", "coffee", "coins", "dogs"];
  const train = jsonl(...words.map((word, i) => ({ anchor: `the ${word}`, positive: `cold ${words.at(i - 3)}` })));
  const adapters = await Promise.all(
    (["mean", "cls"] as const).map(async (pooling) => {
      const output = join(fresh("runs"), pooling);
      const settings = { task: "embedding", method: "lora", pooling, train, maxSteps: 3, batchSize: 4 } as const;
      await finetune({ model: MODEL, dtype: "float32", learningRate: 0.05, output, ...settings });
      return output;
    }),
  );
  const { client } = await openServer({ model: MODEL, adapter: adapters });
  const many = Array.from({ length: 40 }, (_, i) => `the ${words[i % 8]} came`);
  const asked = ["mean", "bert-mean", "cls", "mean", "cls"];
  const answers = await Promise.all(asked.map((model) => client.embeddings.create({ model, input: many })));
  const seen = new Set<string>();
  for (const [i, model] of asked.entries()) {
    const folder = adapters.find((one) => one.endsWith(model) && model !== "bert-mean");
    const expected = await predicted(MODEL, many, folder);
    for (const [k, { embedding }] of (answers[i]?.data ?? []).entries())
      for (const [d, value] of embedding.entries()) expect(value).toBeCloseTo(expected[k]?.[d] as number, 5);
    seen.add(String(answers[i]?.data[0]?.embedding));
  }
  expect(seen.size).toBe(3);
});

test("what an embedding model does not answer", async () => {
  const { url } = await openServer({ model: MODEL });
  const send = (more: object) => post(`${url}/v1/embeddings`, { model: "bert-mean", input: "a", ...more });
  for (const [route, body] of [
    ["chat/completions", { messages: [{ role: "user", content: "a" }] }],
    ["completions", { prompt: "a" }],
  ] as const) {
    const { status, json } = await post(`${url}/v1/${route}`, { model: "bert-mean", ...body });
    expect([status, json.error?.message]).toEqual([400, expect.stringContaining("makes embeddings")]);
  }
  for (const more of [{ dimensions: 3 }, { input: [] }, { input: [[]] }, { input: [1e6] }, { encoding_format: "int8" }])
    expect((await send(more)).status, JSON.stringify(more)).toBe(400);
  expect((await send({ input: Array(600).fill(5) })).status).toBe(400);
  expect((await send({ input: ["a", "b ".repeat(2 ** 18 + 1)] })).status).toBe(400);
  expect((await send({ input: [[5, 6], [7]] })).status).toBe(200);
  expect((await send({ input: ["b ".repeat(2 ** 18)] })).status).toBe(200);
});

test("other requests have their turn while many embeddings are written", async () => {
  const vectors = Array.from({ length: 2048 }, (_, i) => [i, 0.1]);
  let turns = 0;
  const others = setInterval(() => turns++, 0);
  const text = await embeddingsJson(
    { model: '"data":[]', input: [], encoding_format: "float" },
    { vectors, tokens: 3 },
  );
  clearInterval(others);
  expect(turns).toBeGreaterThan(0);
  const data = vectors.map((embedding, index) => ({ object: "embedding", index, embedding }));
  const usage = { prompt_tokens: 3, total_tokens: 3 };
  expect(JSON.parse(text)).toEqual({ object: "list", data, model: '"data":[]', usage });
});
