// Token ids beyond the tokenizer's vocabulary, and many schemas at once.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { roomy } from "./jsonModels.js";
import { metric, openServer, post, until } from "./openServer.js";

const formatOf = (schema: object) => ({ type: "json_schema", json_schema: { name: "a", schema } });

test("a model with more tokens than its tokenizer", async () => {
  const folder = roomy("padded");
  const path = join(folder, "tokenizer.json");
  const tokenizer = JSON.parse(readFileSync(path, "utf8")) as {
    model: { vocab: Record<string, number>; merges: unknown };
  };
  const kept = Object.entries(tokenizer.model.vocab).filter(([, id]) => id < 259);
  writeFileSync(
    path,
    JSON.stringify({ ...tokenizer, model: { ...tokenizer.model, vocab: Object.fromEntries(kept), merges: [] } }),
  );
  const { url } = await openServer({ model: folder });
  const send = (body: object) => post(`${url}/v1/completions`, { model: "padded", ...body });
  const { json } = await send({ prompt: [290, 300, 40], echo: true, logprobs: 2, max_tokens: 0 });
  expect(json).toMatchObject({ choices: [{ logprobs: { tokens: ["", "", expect.any(String)] } }] });
  const sampled = { prompt: [300], max_tokens: 60, temperature: 3, top_k: 0, n: 4 };
  expect((await send({ ...sampled, stop: "e", logprobs: 1 })).status).toBe(200);
  const schema = { type: "array", items: { type: "boolean" }, maxItems: 2 };
  const { json: constrained } = await send({ ...sampled, response_format: formatOf(schema) });
  const { choices } = constrained as unknown as { choices: { text: string; finish_reason: string }[] };
  for (const { text, finish_reason } of choices) if (finish_reason === "stop") JSON.parse(text);
  expect((await send({ prompt: [301] })).json.error?.message).toContain("token id 301");
});

test("many schemas at once, each followed, also after clients that hang up", async () => {
  const { url } = await openServer({ model: roomy() });
  const body = { model: "roomy", prompt: "a", max_tokens: 60, temperature: 1 };
  const leaving = new AbortController();
  const gone = fetch(`${url}/v1/completions`, {
    method: "POST",
    signal: leaving.signal,
    body: JSON.stringify({ ...body, n: 9, response_format: formatOf({ type: "string", minLength: 60 }) }),
  }).catch(() => {});
  const numbers = Array.from({ length: 8 }, (_, i) => i);
  const answers = numbers.map((i) =>
    post(`${url}/v1/completions`, { ...body, response_format: formatOf({ const: { [`k${i}`]: i } }) }),
  );
  leaving.abort();
  await gone;
  for (const [i, { json }] of (await Promise.all(answers)).entries()) {
    const { choices } = json as unknown as { choices: { text: string }[] };
    expect(JSON.parse(choices[0]?.text as string)).toEqual({ [`k${i}`]: i });
  }
  await until(async () => (await metric(url, "bidora_choices_running")) === 0);
});
