// Answers that take more than one sequence, or recompute a sequence, are generate's too.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { readConfig } from "../../../src/formats/checkpoint.js";
import { generateTokens } from "../../../src/models/generation/generateTokens.js";
import { readGenerationConfig, resolveGeneration, SequenceBatch } from "../../../src/models/generation/index.js";
import type { Model, ModelGenerateSettings } from "../../../src/use/inference/model.js";
import { GOLDEN } from "../../e2e/support.js";
import { freshPath } from "../../support/workFolder.js";
import { ADAPTED, adapterAt, LLAMA, openServer, post } from "./openServer.js";

const models: Model[] = [];
afterAll(() => {
  for (const model of models) model.dispose();
});

/** A copy of a model with some keys of a file changed. */
function changed(source: string, name: string, file: string, change: object): string {
  const folder = join(freshPath("changed"), name);
  mkdirSync(folder, { recursive: true });
  cpSync(source, folder, { recursive: true });
  const json = JSON.parse(readFileSync(join(folder, file), "utf8")) as object;
  writeFileSync(join(folder, file), JSON.stringify({ ...json, ...change }));
  return folder;
}

type Dtype = "float32" | "bfloat16";

async function texts(
  folder: string,
  prompts: readonly string[],
  settings: ModelGenerateSettings,
  dtype: Dtype,
  adapter?: string,
) {
  const model = await load({ model: folder, dtype, ...(adapter && { adapter }) });
  models.push(model);
  return (await model.generate(prompts, settings)).map(({ text }) => text);
}

const PROMPTS = ["Hello there", "a", "The night was", "one two three four five six seven"];

test("beams that the model's settings ask for, unless a temperature of 0 does not", async () => {
  const folder = changed(LLAMA, "beams", "generation_config.json", { num_beams: 3, length_penalty: 0.5 });
  const { client, url } = await openServer({ model: folder });
  for (const [body, settings] of [
    [{}, {}],
    [{ temperature: 0 }, { greedy: true }],
    [
      { temperature: 1, seed: 2 },
      { temperature: 1, seed: 2 },
    ],
  ] as const) {
    const expected = await texts(folder, PROMPTS, { maxNewTokens: 12, ...settings }, "float32");
    const { choices } = await client.completions.create({ model: "beams", prompt: PROMPTS, max_tokens: 12, ...body });
    expect(choices.map(({ text }) => text)).toEqual(expected);
  }
  const refused = await post(`${url}/v1/completions`, { model: "beams", prompt: "a", logprobs: 1 });
  expect([refused.status, refused.json.error?.param]).toEqual([400, "logprobs"]);
});

test("sequences that grow past the first context of LongRoPE, in one batch", async () => {
  const folder = join(GOLDEN, "phi3/lm");
  const { client } = await openServer({ model: folder });
  const model = await load({ model: folder, dtype: "float32" });
  models.push(model);
  const idsOf = (length: number) => Array.from({ length }, (_, i) => ((7 * i + 5) % 60) + 4);
  const prompts = [44, 50, 9].map(idsOf);
  const settings = resolveGeneration({ greedy: true }, readGenerationConfig(folder, readConfig(folder)));
  const tokens: number[][] = prompts.map(() => []);
  const asked = prompts.map((ids) => ({ ids, maxNewTokens: 20, uniform: () => 0 }));
  for await (const next of generateTokens(model.module, asked, settings)) tokens[next.prompt]?.push(...next.tokens);
  const body = { model: "lm", prompt: prompts, max_tokens: 20, temperature: 0 };
  const { choices } = await client.completions.create(body);
  const expected = await Promise.all(tokens.map((ids) => model.tokenizer.decode(ids)));
  expect(choices.map(({ text }) => text)).toEqual(expected);
  const batch = new SequenceBatch(model.module, 1);
  const [logits] = batch.logitsAfter([{ ids: idsOf(70), wanted: 70 }]) as [Float32Array[]];
  batch.dispose();
  const echoed = await client.completions.create({
    ...body,
    prompt: idsOf(70),
    max_tokens: 0,
    echo: true,
    logprobs: 0,
  });
  const { token_logprobs } = (echoed.choices[0]?.logprobs ?? {}) as { token_logprobs: (number | null)[] };
  for (const [at, id] of idsOf(70).entries()) {
    const row = logits[at - 1];
    const norm = row && Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
    if (row) expect(token_logprobs[at]).toBeCloseTo((row[id] as number) - (norm as number), 4);
  }
});

test("in bfloat16, of adapters that share a batch", async () => {
  const names = ["lm-lora", "lm-dora"];
  const { client } = await openServer({ model: ADAPTED, adapter: names.map(adapterAt), dtype: "bfloat16" });
  const settings = { maxNewTokens: 30, temperature: 1, topK: 0, seed: 9 };
  const body = { max_tokens: 30, temperature: 1, top_k: 0, seed: 9, prompt: ["a b", "c", "q r s t", "h i"] };
  const answers = await Promise.all(["lm", ...names].map((model) => client.completions.create({ ...body, model })));
  for (const [i, name] of [undefined, ...names].entries()) {
    const expected = await texts(ADAPTED, body.prompt, settings, "bfloat16", name && adapterAt(name));
    expect(answers[i]?.choices.map(({ text }) => text)).toEqual(expected);
  }
});

test("several choices of one prompt, which is computed once: of adapters, scored, stopped, and with beams", async () => {
  const names = ["lm-lora", "lm-dora-tables"];
  const { client } = await openServer({ model: ADAPTED, adapter: names.map(adapterAt) });
  const settings = { maxNewTokens: 20, temperature: 1.2, topK: 0, seed: 6 };
  const body = { max_tokens: 20, temperature: 1.2, top_k: 0, seed: 6, n: 5, prompt: ["a b", "q r s t"] };
  const prompts = body.prompt.flatMap((prompt) => Array.from({ length: 5 }, () => prompt));
  const answers = await Promise.all(["lm", ...names].map((model) => client.completions.create({ ...body, model })));
  for (const [i, name] of [undefined, ...names].entries()) {
    const expected = await texts(ADAPTED, prompts, settings, "float32", name && adapterAt(name));
    expect(answers[i]?.choices.map(({ text }) => text)).toEqual(expected);
  }
  const scored = await client.completions.create({ ...body, model: "lm", echo: true, logprobs: 2, n: 3 });
  const own = await client.completions.create({ ...body, model: "lm", echo: true, logprobs: 2, n: 1 });
  for (const [p] of body.prompt.entries()) {
    const logprobs = (at: number) => scored.choices[3 * p + at]?.logprobs?.token_logprobs as (number | null)[];
    if (p === 0) expect(scored.choices[0]).toEqual({ ...own.choices[0] });
    const shared = Math.min(...[0, 1, 2].map((at) => logprobs(at).length));
    expect(shared).toBeGreaterThan(2);
    for (const at of [1, 2]) expect(logprobs(at).slice(0, 3)).toEqual(logprobs(0).slice(0, 3));
  }
  const only = await client.completions.create({ ...body, model: "lm", echo: true, logprobs: 1, n: 3, max_tokens: 0 });
  expect(only.choices[1]?.logprobs).toEqual(only.choices[0]?.logprobs);
  expect(only.choices[2]?.logprobs?.token_logprobs?.length).toBeGreaterThan(2);
  const folder = changed(LLAMA, "beamed", "generation_config.json", { num_beams: 3 });
  const beamed = await openServer({ model: folder });
  const expected = await texts(folder, ["Hello there"], { maxNewTokens: 9 }, "float32");
  const { choices } = await beamed.client.completions.create({
    model: "beamed",
    prompt: "Hello there",
    max_tokens: 9,
    n: 3,
  });
  expect(choices.map(({ text }) => text)).toEqual([0, 1, 2].map(() => expected[0]));
});
