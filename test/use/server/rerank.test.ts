// Scores are those of predict, for the base model and for each adapter.
import { join } from "node:path";
import { expect, test } from "vitest";
import { finetune } from "../../../src/app/commands/finetune.js";
import { load } from "../../../src/app/commands/models/load.js";
import { fresh, GOLDEN } from "../../e2e/support.js";
import { openServer, post as send } from "./openServer.js";

const MODEL = join(GOLDEN, "reranking/bert-6");
/** Without a head. */
const BARE = join(GOLDEN, "bert/no-prefix");
const QUERY = "the old wall";
const DOCUMENTS = ["a", "one two three four five six", "", "é", "the old stone wall", "a", "long ".repeat(60)];

async function predicted(model: string, adapter?: string): Promise<number[]> {
  using opened = await load({ model, dtype: "float32", ...(adapter && { adapter }) });
  const found = await opened.predict(DOCUMENTS.map((document) => ({ query: QUERY, document })));
  return found.map(({ score }) => score as number);
}

interface Result {
  readonly index: number;
  readonly relevance_score: number;
  readonly document?: { readonly text: string };
}

interface Answer {
  readonly results: Result[];
  readonly usage: { readonly total_tokens: number };
  readonly error: { readonly param: string; readonly message: string };
}

/** A response, whose fields are there or not. */
async function post(url: string, body: object) {
  const { status, json } = await send(url, body);
  return { status, json: json as unknown as Answer };
}

async function ranked(url: string, model: string, more: object = {}): Promise<Result[]> {
  const body = { model, query: QUERY, documents: DOCUMENTS, ...more };
  const { status, json } = await post(`${url}/v1/rerank`, body);
  expect(status).toBe(200);
  expect(json).toMatchObject({ object: "list", model, usage: { prompt_tokens: expect.any(Number) } });
  return json.results;
}

/** The best first, of equal ones the first. */
const inOrder = (scores: readonly number[]) =>
  scores
    .map((score, index) => ({ index, relevance_score: expect.closeTo(score, 5), score }))
    .sort((a, b) => b.score - a.score)
    .map(({ score: _, ...result }) => result);

test("documents are strings or objects with a text, and come back if asked for", async () => {
  const { url } = await openServer({ model: MODEL });
  const expected = inOrder(await predicted(MODEL));
  expect(await ranked(url, "bert-6")).toEqual(expected);
  const documents = DOCUMENTS.map((text, i) => (i % 2 === 0 ? { text } : text));
  const more = { documents, top_n: 3, return_documents: true };
  expect(await ranked(url, "bert-6", more)).toEqual(
    expected.slice(0, 3).map((result) => ({ ...result, document: { text: DOCUMENTS[result.index] } })),
  );
  expect(await ranked(url, "bert-6", { top_n: 100 })).toHaveLength(DOCUMENTS.length);
  const { json } = await post(`${url}/v1/rerank`, { model: "bert-6", query: QUERY, documents: DOCUMENTS });
  expect(json.usage.total_tokens).toBeGreaterThan(4 * DOCUMENTS.length);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toMatch(/bidora_requests_total\{route="\/v1\/rerank",status="200"\} 4/);
  expect(metrics).toMatch(/bidora_tokens_total\{model="bert-6",kind="prompt"\} [1-9]/);
});

async function trained(name: string, loss: "listwise" | "binary-cross-entropy"): Promise<string> {
  const output = join(fresh("runs"), name);
  const train = join(GOLDEN, "reranking/lists.jsonl");
  const settings = { task: "reranking", method: "lora", train, loss, maxSteps: 3, batchSize: 4 } as const;
  await finetune({ model: BARE, dtype: "float32", learningRate: 0.05, output, ...settings });
  return output;
}

test("adapters that are asked at the same time, each with its own head, on a model that has none", async () => {
  const adapters = [await trained("lists", "listwise"), await trained("pairs", "binary-cross-entropy")];
  const { url } = await openServer({ model: BARE, adapter: adapters });
  const asked = ["lists", "pairs", "lists", "pairs", "pairs"];
  const answers = await Promise.all(asked.map((model) => ranked(url, model)));
  for (const [i, model] of asked.entries()) {
    const folder = adapters.find((one) => one.endsWith(model));
    expect(answers[i]).toEqual(inOrder(await predicted(BARE, folder)));
  }
  expect(answers[0]).not.toEqual(answers[1]);
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  expect(data.map(({ id }) => id)).toEqual(["lists", "pairs"]);
  const { status } = await post(`${url}/v1/rerank`, { model: "no-prefix", query: "a", documents: ["b"] });
  expect(status).toBe(404);
});

test("what is not answered", async () => {
  const { url } = await openServer({ model: MODEL });
  const other = await openServer({ model: join(GOLDEN, "embeddings/bert-mean") });
  const refusal = async (more: object, at = url, model = "bert-6") => {
    const { status, json } = await post(`${at}/v1/rerank`, { model, query: "a", documents: ["b"], ...more });
    expect(status).toBe(400);
    return [json.error.param, json.error.message];
  };
  expect(await refusal({ documents: [] })).toEqual([
    "documents",
    "documents takes a list of at least 1 entry; got [].",
  ]);
  expect(await refusal({ documents: ["a", { txt: "b" }] })).toEqual([
    "documents.1",
    'documents.1 takes a string or {"text": a string}; got {"txt":"b"}.',
  ]);
  expect(await refusal({ documents: Array(2049).fill("a") })).toEqual([
    "documents",
    "documents has 2049 entries, and the most is 2048: send fewer.",
  ]);
  expect(await refusal({ documents: ["\ud800"] })).toEqual([
    "documents.0",
    expect.stringContaining("half of a surrogate pair"),
  ]);
  expect(await refusal({ documents: ["a".repeat(2 ** 19 + 1)] })).toEqual([
    "documents.0",
    expect.stringContaining("has 524289 characters"),
  ]);
  expect(await refusal({ query: "a".repeat(2 ** 16 + 1) })).toEqual(["query", expect.stringContaining("65536")]);
  expect(await refusal({ top_n: 0 })).toEqual(["top_n", expect.any(String)]);
  expect(await refusal({ query: undefined })).toEqual(["query", "query is missing: it takes a string."]);
  expect(await refusal({ max_chunks_per_doc: 3 })).toEqual([
    "max_chunks_per_doc",
    expect.stringContaining("not served"),
  ]);
  expect(await refusal({}, other.url, "bert-mean")).toEqual([
    "model",
    "bert-mean makes embeddings, which is asked for at /v1/embeddings.",
  ]);
  const { status, json } = await post(`${url}/v1/embeddings`, { model: "bert-6", input: "a" });
  expect([status, json.error.message]).toEqual([400, "bert-6 ranks documents, which is asked for at /v1/rerank."]);
});

test("an adapter that PEFT saved is served beside its base", async () => {
  const adapter = join(GOLDEN, "reranking/adapter");
  const { url } = await openServer({ model: MODEL, adapter: [adapter] });
  expect(await ranked(url, "adapter")).not.toEqual(await ranked(url, "bert-6"));
});
