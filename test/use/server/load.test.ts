// Many clients at once, clients that leave or do not read, and bodies that nobody meant.
import { connect } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ADAPTED, adapterAt, LLAMA, metric, openServer, post, until, withTemplate } from "./openServer.js";

/** A request that runs until the model's positions are used up. */
const LONG = { model: "lm", prompt: [7], max_tokens: 46, temperature: 1, top_k: 0 };

const running = (url: string) => metric(url, "bidora_choices_running");

test("beyond the most requests at once the answer is 429, until one is done", async () => {
  const { url } = await openServer({ model: ADAPTED, maxConcurrentRequests: 2 });
  const send = () => post(`${url}/v1/completions`, { ...LONG, n: 20 });
  const all = await Promise.all([send(), send(), send(), send()]);
  expect(all.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429]);
  expect(all.find(({ status }) => status === 429)?.json.error).toMatchObject({ type: "rate_limit_error" });
  expect((await send()).status).toBe(200);
  for (let i = 0; i < 3; i++)
    expect((await post(`${url}/v1/completions`, { ...LONG, prompt: [999] })).status).toBe(400);
  expect((await send()).status).toBe(200);
});

test.each([true, false])("a client that hangs up frees its place (stream: %s)", async (stream) => {
  const { url } = await openServer({ model: ADAPTED, maxConcurrentRequests: 1 });
  for (let i = 0; i < 3; i++) {
    const leaving = new AbortController();
    const body = JSON.stringify({ ...LONG, n: 64, stream });
    const request = fetch(`${url}/v1/completions`, { method: "POST", body, signal: leaving.signal });
    await until(async () => (await running(url)) > 0);
    leaving.abort();
    await request.then((response) => response.text()).catch(() => {});
    await until(async () => (await post(`${url}/v1/completions`, { ...LONG, max_tokens: 1 })).status === 200);
    expect(await running(url)).toBe(0);
  }
});

test("clients that leave before the answer count as status 499, also in the middle of their body", async () => {
  const { url } = await openServer({ model: ADAPTED });
  const body = JSON.stringify({ ...LONG, n: 64 });
  const counted = (status: number) => metric(url, `bidora_requests_total{route="/v1/completions",status="${status}"}`);
  for (const sent of [body, body.slice(0, 9)]) {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${sent}`);
    if (sent === body) await until(async () => (await running(url)) > 0);
    else await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    await until(async () => (await counted(499)) === (sent === body ? 1 : 2));
  }
  expect([await counted(500), await counted(200)]).toEqual([0, 0]);
});

test("clients that leave a stream count as status 499 once it ends, others as 200", async () => {
  const { url } = await openServer({ model: ADAPTED });
  const counted = (status: number) => metric(url, `bidora_requests_total{route="/v1/completions",status="${status}"}`);
  const leaving = new AbortController();
  const stream = (more: RequestInit = {}) =>
    fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify({ ...LONG, n: 64, stream: true }), ...more });
  const response = await stream({ signal: leaving.signal });
  await response.body?.getReader().read();
  expect([await counted(200), await counted(499)]).toEqual([0, 0]);
  leaving.abort();
  await until(async () => (await counted(499)) === 1);
  await (await stream()).text();
  await until(async () => (await counted(200)) === 1);
  expect(await counted(499)).toBe(1);
});

test("a client that does not read holds nobody up", async () => {
  const { url } = await openServer({ model: ADAPTED, maxConcurrentRequests: 1 });
  const body = JSON.stringify({ ...LONG, n: 64, stream: true, logprobs: 20 });
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.pause();
  socket.write(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await until(async () => (await running(url)) > 0);
  await until(async () => (await post(`${url}/v1/completions`, { ...LONG, max_tokens: 1 })).status === 200);
  let text = "";
  socket.on("data", (data) => {
    text += data;
  });
  socket.resume();
  await until(() => text.includes("[DONE]"));
  expect(text.match(/"finish_reason":"(length|stop)"/g)?.length).toBe(64);
  socket.destroy();
});

test("a short request is answered while long ones of the same and of other adapters run", async () => {
  const { url } = await openServer({ model: ADAPTED, adapter: ["lm-lora", "lm-dora"].map(adapterAt) });
  const order: string[] = [];
  const send = async (name: string, body: object) => {
    await post(`${url}/v1/completions`, { ...LONG, ...body });
    order.push(name);
  };
  await Promise.all([
    send("long", { n: 100 }),
    send("long", { model: "lm-lora", n: 40 }),
    until(async () => (await running(url)) > 0).then(() => send("short", { model: "lm-dora", max_tokens: 2 })),
  ]);
  expect(order[0]).toBe("short");
});

test("no body ends the server or stays without an answer", async () => {
  const { url } = await openServer({ model: withTemplate(), maxConcurrentRequests: 1000 });
  const key = fc.constantFrom(
    ...["model", "prompt", "messages", "max_tokens", "n", "stop", "stream", "stream_options", "seed", "temperature"],
    ...["top_p", "top_k", "min_p", "repetition_penalty", "echo", "logprobs", "top_logprobs", "__proto__", "toString"],
  );
  const message = fc.record(
    { role: fc.constantFrom("user", "system", "tool", "x"), content: fc.anything() },
    { requiredKeys: [] },
  );
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      "chatty",
      true,
      false,
      null,
      0,
      1,
      2,
      -1,
      1e308,
      0.5,
      "a",
      "",
      [5, 6],
      ["a", "b"],
      [[1], [2, 3]],
    ),
    fc.array(message, { maxLength: 3 }),
    fc.jsonValue(),
    fc.string({ unit: "binary", maxLength: 20 }),
  );
  const fuzzed = fc.dictionary(key, value, { maxKeys: 6 });
  const body = fc.oneof(
    fuzzed.map((own) => JSON.stringify({ model: "chatty", prompt: "a", max_tokens: 2, ...own })),
    fuzzed.map((own) =>
      JSON.stringify({ model: "chatty", messages: [{ role: "user", content: "a" }], max_tokens: 2, ...own }),
    ),
    fc.string(),
    fc.jsonValue().map((own) => JSON.stringify(own)),
  );
  const route = fc.constantFrom("completions", "chat/completions", "embeddings");
  await fc.assert(
    fc.asyncProperty(route, body, async (path, text) => {
      const response = await fetch(`${url}/v1/${path}`, { method: "POST", body: text });
      const answer = await response.text();
      expect([200, 400, 404], `${text}: ${answer}`).toContain(response.status);
    }),
    { numRuns: 300 },
  );
  await until(async () => (await running(url)) === 0);
  expect((await fetch(`${url}/health`)).status).toBe(200);
});

test("closing ends running requests with an error, and streams with an event", async () => {
  const { server, url } = await openServer({ model: ADAPTED });
  const stream = await fetch(`${url}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({ ...LONG, n: 64, stream: true }),
  });
  const whole = post(`${url}/v1/completions`, { ...LONG, n: 64 });
  await until(async () => (await running(url)) >= 64);
  const start = performance.now();
  await server.close();
  expect(performance.now() - start).toBeLessThan(900);
  expect(await whole).toMatchObject({ status: 503, json: { error: { type: "server_error" } } });
  expect((await stream.text()).trimEnd().split("\n").at(-1)).toMatch(/^data: .*"error".*stopping/);
  await expect(fetch(`${url}/health`)).rejects.toThrow();
});

test("a failure of one choice is its request's alone", async () => {
  const { url } = await openServer({ model: LLAMA });
  const answers = await Promise.all(
    [{ prompt: [5] }, { prompt: [400] }, { prompt: "x", stop: "y" }].map((own) =>
      post(`${url}/v1/completions`, { model: "llama", max_tokens: 9, ...own }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 400, 200]);
});
