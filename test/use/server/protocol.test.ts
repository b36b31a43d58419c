// Requests that are refused, and how: nothing that is asked for is ignored.
import { cpSync } from "node:fs";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { UsageError } from "../../../src/base/errors.js";
import { ADAPTED, adapterAt, LLAMA, metric, openServer, post, withTemplate } from "./openServer.js";

const CHAT = { model: "chatty", messages: [{ role: "user", content: "hi" }] };
const TEXT = { model: "chatty", prompt: "hi" };

test("the models are listed by the last part of their names", async () => {
  const { client, url } = await openServer({ model: ADAPTED, adapter: ["lm-lora", "lm-dora"].map(adapterAt) });
  const names = [];
  for await (const { id, object } of client.models.list()) names.push(`${object} ${id}`);
  expect(names).toEqual(["model lm", "model lm-lora", "model lm-dora"]);
  expect((await client.models.retrieve("lm-lora")).id).toBe("lm-lora");
  expect((await fetch(`${url}/v1/models/other`)).status).toBe(404);
  expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: "ok" });
});

describe("parameters", async () => {
  const { url } = await openServer({ model: withTemplate() });
  const chat = (more: object) => post(`${url}/v1/chat/completions`, { ...CHAT, max_tokens: 2, ...more });
  const text = (more: object) => post(`${url}/v1/completions`, { ...TEXT, max_tokens: 2, ...more });

  test.each([
    ["logit_bias", { 5: 100 }],
    ["suffix", "x"],
    ["best_of", 2],
    ["frequency_penalty", 0.5],
    ["presence_penalty", -1],
    ["tools", [{ type: "function" }]],
    ["functions", []],
    ["constructor", 1],
    ["maxTokens", 5],
  ])("%s is refused by name", async (param, value) => {
    for (const send of [chat, text]) {
      const { status, json } = await send({ [param]: value });
      expect([status, json.error?.param]).toEqual([400, param]);
      expect(json.error?.message).toContain(param);
    }
  });

  test.each([
    ["temperature", -1],
    ["temperature", "1"],
    ["top_p", 1.5],
    ["top_k", -1],
    ["min_p", 2],
    ["repetition_penalty", 0],
    ["seed", -1],
    ["seed", 1.5],
    ["n", 0],
    ["n", 129],
    ["stop", ""],
    ["stop", Array.from({ length: 5 }, (_, i) => `${i}`)],
    ["stop", "a".repeat(513)],
    ["stop", ["b", "a".repeat(513)]],
    ["stop", "\ud83d"],
    ["stop", ["<end> a"]],
    ["stream", "yes"],
    ["response_format", { type: "grammar" }],
    ["response_format", { type: "json_schema" }],
    ["response_format", { type: "json_schema", json_schema: { name: "a" } }],
    ["stream_options", { include_usage: true }],
    ["max_tokens", 0],
    ["max_tokens", 1e9],
    ["model", 5],
  ])("%s can't be %j", async (param, value) => {
    for (const send of [chat, text]) expect((await send({ [param]: value })).status).toBe(400);
  });

  test("those that change nothing are taken, and null counts as absent", async () => {
    const neutral = {
      frequency_penalty: 0,
      presence_penalty: 0,
      logit_bias: {},
      user: "me",
      response_format: { type: "text" },
    };
    for (const send of [chat, text]) {
      expect((await send(neutral)).status).toBe(200);
      expect((await send({ stop: null, temperature: null, seed: null, tools: null })).status).toBe(200);
      expect((await send({ stop: [] })).status).toBe(200);
    }
  });

  test.each([
    [{ logprobs: 3 }, "logprobs"],
    [{ top_logprobs: 3 }, "top_logprobs"],
    [{ max_completion_tokens: 3 }, "max_tokens"],
    [{ echo: true }, "echo"],
    [{ messages: [] }, "messages"],
    [{ messages: [{ role: "robot", content: "x" }] }, "messages.0.role"],
    [{ messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }, "messages.0.content"],
    [{ messages: [{ role: "user", content: "\ud83d" }] }, "messages.0.content"],
    [{ messages: [{ role: "assistant", content: "x", tool_calls: [] }] }, "messages.0.tool_calls"],
  ])("of conversations: %j", async (more, param) => {
    const { status, json } = await chat(more);
    expect([status, json.error?.param]).toEqual([400, param]);
  });

  test("parts of a message are one text for the template", async () => {
    const content = ["one", "two"].map((part) => ({ type: "text", text: part }));
    const [parts, whole] = await Promise.all(
      [content, "one\ntwo"].map(async (given) => {
        const { json } = await chat({ messages: [{ role: "user", content: given }], temperature: 0, max_tokens: 8 });
        const { choices, usage } = json as unknown as { choices: object; usage: object };
        return { choices, usage };
      }),
    );
    expect(parts).toEqual(whole);
    const { json } = await chat({ messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] });
    expect(json.error?.message).toContain("parts of type text");
  });

  test.each([
    [{ prompt: "" }, /no tokens/],
    [{ prompt: [] }, /prompt/],
    [{ prompt: [[]] }, /prompt/],
    [{ prompt: ["a", 5] }, /prompt/],
    [{ prompt: [301] }, /token id 301.*301 tokens/],
    [{ prompt: [-1] }, /prompt/],
    [{ prompt: Array(97).fill(5) }, /97 tokens.*96/],
    [{ prompt: Array(95).fill(5) }, /95 tokens, which with 2 new ones .* 96/],
    [{ prompt: "\ud83d" }, /surrogate/],
    [{ logprobs: true }, /logprobs/],
    [{ logprobs: 21 }, /logprobs/],
    [{ max_tokens: 0 }, /echo/],
    [{ prompt: Array(20).fill("a"), n: 100 }, /choices/],
    [{ messages: [] }, /messages is not served/],
  ])("of completions: %j", async (more, message) => {
    const { status, json } = await text(more);
    expect([status, json.error?.message]).toEqual([400, expect.stringMatching(message)]);
  });

  test("a prompt that fills all positions can be scored, and leaves room for as many tokens as there are", async () => {
    const scored = await text({ prompt: Array(96).fill(5), max_tokens: 0, echo: true, logprobs: 1 });
    expect(scored.status).toBe(200);
    const { json } = await post(`${url}/v1/completions`, { ...TEXT, prompt: Array(94).fill(5), temperature: 2 });
    expect((json as { usage?: { completion_tokens: number } }).usage?.completion_tokens).toBeLessThanOrEqual(2);
    const full = await post(`${url}/v1/completions`, { ...TEXT, prompt: Array(96).fill(5) });
    expect([full.status, full.json.error?.message]).toEqual([400, expect.stringMatching(/96 tokens/)]);
  });
});

test("a model without a chat template answers no conversations, and a language model has no embeddings", async () => {
  const { url } = await openServer({ model: LLAMA });
  const chat = await post(`${url}/v1/chat/completions`, { ...CHAT, model: "llama" });
  expect([chat.status, chat.json.error?.message]).toEqual([400, expect.stringContaining("chat template")]);
  const embeddings = await post(`${url}/v1/embeddings`, { model: "llama", input: "x" });
  expect([embeddings.status, embeddings.json.error?.param]).toEqual([400, "model"]);
  const unknown = await post(`${url}/v1/completions`, { ...TEXT, model: "LLAMA" });
  expect([unknown.status, unknown.json.error?.param]).toEqual([404, "model"]);
});

test("bodies: 200 kB are taken, what is no JSON is 400, and what is too large is 413", async () => {
  const { url } = await openServer({ model: LLAMA });
  const route = `${url}/v1/completions`;
  const large = await post(route, { model: "llama", prompt: "a ".repeat(100_000) });
  expect([large.status, large.json.error?.message]).toEqual([400, expect.stringMatching(/tokens.* 96 /)]);
  for (const body of ["", "{", "null", "[]", "5", '"x"', new Uint8Array([0x22, 0xff, 0x22])])
    expect((await post(route, body)).status).toBe(400);
  expect((await post(route, "x".repeat(33 * 2 ** 20))).status).toBe(413);
  expect((await post(`${url}/v1/nothing`, {})).status).toBe(404);
});

test("another method is refused with those that a route takes, and so is a compressed body", async () => {
  const { url } = await openServer({ model: LLAMA });
  const ask = async (path: string, method: string, headers: Record<string, string> = {}, body?: Uint8Array) => {
    const response = await fetch(`${url}${path}`, { method, headers, ...(body && { body }) } as RequestInit);
    const { error } = (await response.json()) as { error?: { message: string } };
    return [response.status, response.headers.get("allow"), error?.message];
  };
  expect(await ask("/v1/completions", "GET")).toEqual([405, "POST", "/v1/completions takes POST; got GET."]);
  expect(await ask("/v1/models/llama", "DELETE")).toEqual([405, "GET, HEAD", expect.stringContaining("got DELETE")]);
  expect(await ask("/v1/models/other", "GET")).toEqual([404, null, expect.stringContaining("There is no model")]);
  expect(await ask("/v1/completions/", "POST")).toEqual([404, null, "There is no POST /v1/completions/."]);
  const body = Buffer.from(JSON.stringify({ model: "llama", prompt: "a", max_tokens: 1 }));
  const compressed = await ask("/v1/completions", "POST", { "content-encoding": "gzip" }, gzipSync(body));
  expect(compressed).toEqual([415, null, expect.stringContaining("Content-Encoding gzip")]);
  expect((await ask("/v1/completions", "POST", { "content-encoding": "gzip" }, body))[0]).toBe(415);
  expect((await ask("/v1/completions", "POST", { "content-encoding": "Identity" }, body))[0]).toBe(200);
  expect(await metric(url, 'bidora_requests_total{route="/v1/completions",status="405"}')).toBe(1);
});

test("a body of 1 GiB is refused by its length, before it is sent", async () => {
  const { url } = await openServer({ model: LLAMA });
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write(`POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${2 ** 30}\r\n\r\n{`);
  const answer = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(`${data}`)));
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  socket.destroy();
});

test("pages of other sites are refused, by the origin and by the name they call", async () => {
  const { url } = await openServer({ model: LLAMA });
  const { port } = new URL(url);
  const status = (host: string, origin?: string) =>
    new Promise<number>((resolve) => {
      const socket = connect(Number(port), "127.0.0.1");
      const lines = [`GET /v1/models HTTP/1.1`, `Host: ${host}`, ...(origin ? [`Origin: ${origin}`] : []), "", ""];
      socket.once("data", (data) => {
        resolve(Number(/ (\d+) /.exec(`${data}`)?.[1]));
        socket.destroy();
      });
      socket.write(lines.join("\r\n"));
    });
  expect(await status(`127.0.0.1:${port}`)).toBe(200);
  expect(await status(`localhost:${port}`, `http://localhost:${port}`)).toBe(200);
  expect(await status("[::1]:9000")).toBe(200);
  for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example", "192.168.0.7", "127.evil"])
    expect(await status(host), host).toBe(403);
  for (const origin of ["http://evil.example", "null", `https://localhost:${port}`, "http://localhost:1"])
    expect(await status(`localhost:${port}`, origin), origin).toBe(403);
});

test("the key is asked for everywhere but at /health", async () => {
  const { url, client } = await openServer({ model: LLAMA, apiKey: "secret" });
  expect((await client.models.list()).data.length).toBe(1);
  for (const authorization of [undefined, "Bearer wrong", "Bearer", "Basic secret", "Bearer secretx"]) {
    const headers = authorization === undefined ? {} : { authorization };
    const { status, json } = await post(`${url}/v1/completions`, TEXT, headers as Record<string, string>);
    expect([status, json.error?.message]).toEqual([401, expect.stringContaining("API key")]);
  }
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect((await fetch(`${url}/metrics`)).status).toBe(401);
});

test("two models of one name can't be served", async () => {
  const same = withTemplate(ADAPTED, "lm-lora");
  const twice = [adapterAt("lm-lora"), `${adapterAt("lm-lora")}/`];
  await expect(openServer({ model: same, adapter: [adapterAt("lm-lora")] })).rejects.toThrow(/both called lm-lora/);
  await expect(openServer({ model: ADAPTED, adapter: twice })).rejects.toThrow(UsageError);
});

test("an adapter's other chat template is noted, and the base model's is used", async () => {
  const folder = withTemplate(adapterAt("lm-lora"), "chat-adapter");
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) cpSync(`${ADAPTED}/${file}`, `${folder}/${file}`);
  const notes: string[] = [];
  const { client } = await openServer({ model: ADAPTED, adapter: [folder] }, (note) => notes.push(note));
  expect(notes).toEqual([expect.stringMatching(/^chat-adapter: .* chat template/)]);
  await expect(
    client.chat.completions.create({ model: "chat-adapter", messages: [{ role: "user", content: "a" }] }),
  ).rejects.toThrow(/chat template/);
});

test("a checkpoint that is no language model is refused before its weights are read", async () => {
  const bert = ADAPTED.replace("llama/lm", "bert/single");
  await expect(openServer({ model: bert })).rejects.toThrow(
    /sequence-classification, and serve is for causal-lm, embedding, reranking/,
  );
});
