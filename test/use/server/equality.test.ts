// What a server answers is what generate gives: token for token, alone or together with other requests.
import { expect, test } from "vitest";
import type { Message } from "../../../src/text/index.js";
import type { Model, ModelGenerateSettings } from "../../../src/use/inference/model.js";
import { ADAPTED, adapterAt, LLAMA, loaded, openServer, post, withTemplate } from "./openServer.js";

const PROMPTS = ["Hello there", "a", "The night was", "東京 🙂", "one two three four five six seven", "é"];

const generated = async (model: Model, prompts: readonly string[], settings: ModelGenerateSettings) =>
  (await model.generate(prompts, settings)).map(({ text, tokens, finish }) => ({
    text,
    count: tokens.length,
    finish: finish === "length" ? "length" : "stop",
  }));

type Client = Awaited<ReturnType<typeof openServer>>["client"];

async function completed(client: Client, body: object) {
  const { choices, usage } = await client.completions.create({ model: "llama", prompt: "", ...body });
  return { choices: choices.map(({ text, finish_reason: finish }) => ({ text, finish })), usage };
}

const withoutCount = (rows: readonly { text: string; finish: string }[]) =>
  rows.map(({ text, finish }) => ({ text, finish }));

test("greedy completions of one and of several prompts", async () => {
  const { client } = await openServer({ model: LLAMA });
  const expected = await generated(await loaded(LLAMA), PROMPTS, { maxNewTokens: 20 });
  const { choices, usage } = await completed(client, { prompt: PROMPTS, max_tokens: 20, temperature: 0 });
  expect(choices).toEqual(withoutCount(expected));
  expect(usage?.completion_tokens).toBe(expected.reduce((sum, { count }) => sum + count, 0));
  for (const [i, prompt] of PROMPTS.entries()) {
    const own = await completed(client, { prompt, max_tokens: 20 });
    expect(own.choices).toEqual(withoutCount(expected.slice(i, i + 1)));
  }
});

test("without a seed each sampled answer differs, and names the seed that gives it again", async () => {
  const { url } = await openServer({ model: withTemplate() });
  const sampled = { max_tokens: 20, temperature: 1.5, top_k: 0 };
  for (const [route, asked] of [
    ["completions", { ...sampled, model: "chatty", prompt: "a b", n: 2 }],
    ["chat/completions", { ...sampled, model: "chatty", messages: [{ role: "user", content: "a b" }], n: 2 }],
  ] as const) {
    const send = async (more: object) => {
      const { json } = await post(`${url}/v1/${route}`, { ...asked, ...more });
      const { choices, seed } = json as unknown as { choices: object[]; seed?: number };
      return { seed, choices };
    };
    const [first, second] = [await send({}), await send({})];
    expect(second.choices).not.toEqual(first.choices);
    expect(await send({ seed: first.seed })).toEqual(first);
    expect(await send({ seed: 0 })).toEqual(await send({ seed: 0 }));
    expect((await send({ seed: 0 })).seed).toBe(0);
    expect((await send({ temperature: 0 })).seed).toBeUndefined();
    const body = JSON.stringify({ ...asked, seed: 7, stream: true });
    const events = await (await fetch(`${url}/v1/${route}`, { method: "POST", body })).text();
    for (const event of events.match(/\{.*\}/g) ?? []) expect(JSON.parse(event).seed).toBe(7);
  }
});

test("sampling with a seed, in the order of prompts and of their choices", async () => {
  const { client } = await openServer({ model: LLAMA });
  const model = await loaded(LLAMA);
  const sampling = { temperature: 1.3, topP: 0.9, topK: 20, minP: 0.01, repetitionPenalty: 1.1, seed: 7 };
  const body = { temperature: 1.3, top_p: 0.9, top_k: 20, min_p: 0.01, repetition_penalty: 1.1, seed: 7 };
  const twice = PROMPTS.flatMap((prompt) => [prompt, prompt]);
  const expected = await generated(model, twice, { ...sampling, maxNewTokens: 12 });
  const { choices } = await completed(client, { ...body, prompt: PROMPTS, n: 2, max_tokens: 12 });
  expect(choices).toEqual(withoutCount(expected));
  expect(choices[0]).not.toEqual(choices[1]);
  const plain = await generated(model, ["Hello there"], { temperature: 0.9, maxNewTokens: 12 });
  expect(
    (await completed(client, { prompt: "Hello there", temperature: 0.9, seed: 0, max_tokens: 12 })).choices,
  ).toEqual(withoutCount(plain));
});

test("stop strings, also across tokens, and streamed", async () => {
  const { client } = await openServer({ model: LLAMA });
  const model = await loaded(LLAMA);
  const whole = await generated(model, PROMPTS, { maxNewTokens: 24, temperature: 1, seed: 1 });
  for (const [i, { text }] of whole.entries()) {
    const stop = [text.slice(3, 6), text.slice(8, 9)].filter((one) => one !== "" && !one.includes("\ufffd"));
    if (stop.length === 0) continue;
    const settings = { maxNewTokens: 24, temperature: 1, seed: 1, stop };
    const expected = (await generated(model, PROMPTS.slice(0, i + 1), settings))[i];
    const body = { model: "llama", prompt: PROMPTS.slice(0, i + 1), max_tokens: 24, temperature: 1, seed: 1, stop };
    const { choices } = await completed(client, body);
    expect(choices[i]).toEqual({ text: expected?.text, finish: expected?.finish });
    let streamed = "";
    for await (const { choices: parts } of await client.completions.create({ ...body, stream: true }))
      for (const { index, text: piece } of parts) if (index === i) streamed += piece;
    expect(streamed).toBe(expected?.text);
  }
});

test("conversations, whole and streamed with their usage", async () => {
  const folder = withTemplate();
  const { client } = await openServer({ model: folder });
  const messages = [
    { role: "system", content: "Be short" },
    { role: "user", content: "hi" },
  ] as const satisfies Message[];
  const settings = { maxNewTokens: 30, temperature: 1, seed: 5 };
  const expected = await (await loaded(folder)).generate(messages, settings);
  const body = { model: "chatty", messages: [...messages], max_tokens: 30, temperature: 1, seed: 5 };
  const { choices, usage } = await client.chat.completions.create(body);
  expect(choices[0]?.message.content).toBe(expected.text);
  expect(usage?.completion_tokens).toBe(expected.tokens.length);
  const options = { ...body, stream: true, stream_options: { include_usage: true } } as const;
  let [text, finish, total]: [string, unknown, unknown] = ["", undefined, undefined];
  for await (const chunk of await client.chat.completions.create(options)) {
    text += chunk.choices[0]?.delta.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
    total = chunk.usage ?? total;
  }
  expect({ text, finish, total }).toEqual({ text: expected.text, finish: choices[0]?.finish_reason, total: usage });
});

test("adapters in one batch with the base model, each as generate has it", async () => {
  const names = ["lm-lora", "lm-dora", "lm-lora-tables", "lm-dora-tables", "lm-ia3"];
  const { client } = await openServer({ model: ADAPTED, adapter: names.map(adapterAt) });
  const settings = { maxNewTokens: 16, temperature: 1, seed: 3 };
  const requests = ["lm", ...names].flatMap((model) => ["a b", "c", "q r s t"].map((prompt) => ({ model, prompt })));
  const answers = await Promise.all(
    requests.map((request) => client.completions.create({ ...request, max_tokens: 16, temperature: 1, seed: 3 })),
  );
  const [texts, byName] = [new Set<string>(), new Map<string, Model>()];
  for (const [i, { model, prompt }] of requests.entries()) {
    const alone = byName.get(model) ?? (await loaded(ADAPTED, model === "lm" ? undefined : adapterAt(model)));
    byName.set(model, alone);
    const [expected] = await generated(alone, [prompt], settings);
    expect(answers[i]?.choices[0]?.text, `${model}: ${prompt}`).toBe(expected?.text);
    texts.add(expected?.text as string);
  }
  expect(texts.size).toBeGreaterThan(names.length);
});

test("a prompt of many parts beside running requests", async () => {
  const { client } = await openServer({ model: LLAMA });
  const ids = Array.from({ length: 80 }, (_, i) => 5 + ((i * 7) % 250));
  const model = await loaded(LLAMA);
  const long = await completed(client, { prompt: [ids], max_tokens: 8, temperature: 0 });
  const many = Array.from({ length: 12 }, () => ids);
  const together = await completed(client, { prompt: many, max_tokens: 8, temperature: 0 });
  for (const choice of together.choices) expect(choice).toEqual(long.choices[0]);
  const text = await model.tokenizer.decode(ids, { skipSpecialTokens: false });
  const echoed = await completed(client, { prompt: [ids], max_tokens: 8, temperature: 0, echo: true });
  expect(echoed.choices[0]?.text).toBe(`${text}${long.choices[0]?.text}`);
});
