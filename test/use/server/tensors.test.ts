// A server keeps no tensors of requests that are done, and none after it is closed.
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { type ServeSettings, serve } from "../../../src/app/commands/models/serve.js";
import { liveHandles } from "../../../src/torch/index.js";
import { GOLDEN } from "../../e2e/support.js";
import { collectGarbage } from "../../formats/garbage.js";
import { ADAPTED, adapterAt, LLAMA, metric, post, until } from "./openServer.js";

const GPT2 = join(GOLDEN, "gpt2/lm");
const gpt2Adapter = (name: string): string => join(GOLDEN, "gpt2/adapters", name);

test("the number of live tensors stays the same over requests, and as before after closing", async () => {
  const names = ["lm-lora", "lm-dora-tables", "lm-ia3"];
  const opened = () => serve({ model: ADAPTED, adapter: names.map(adapterAt), dtype: "float32", port: 0 });
  await (await opened()).close();
  const before = liveHandles();
  const server = await opened();
  const route = `${server.url}/v1/completions`;
  const running = () => metric(server.url, "bidora_choices_running");
  const round = async () => {
    const body = { prompt: ["a b", "c d e"], max_tokens: 30, temperature: 1, logprobs: 2, echo: true };
    await Promise.all(["lm", ...names].map((model, seed) => post(route, { ...body, model, seed })));
    const leaving = new AbortController();
    const long = JSON.stringify({ model: "lm-lora", prompt: [7], n: 100, max_tokens: 40, temperature: 1 });
    const request = fetch(route, { method: "POST", body: long, signal: leaving.signal }).catch(() => {});
    await until(async () => (await running()) > 0);
    leaving.abort();
    await request;
    await until(async () => (await running()) === 0);
  };
  await round();
  // Generators of opening the models must not be collected between the two counts.
  for (let i = 0; i < 5; i++) {
    collectGarbage();
    await setTimeout(10);
  }
  const after = liveHandles();
  for (let i = 0; i < 3; i++) await round();
  expect(liveHandles()).toBe(after);
  await server.close();
  // Of opening a model, the generators are left to the garbage collector.
  expect(liveHandles() - before).toBeLessThanOrEqual(2);
});

test("a start that is refused leaves no tensors, and names the adapter that does not fit", async () => {
  const start = (settings: Partial<ServeSettings>, signal?: AbortSignal) =>
    serve({ model: ADAPTED, dtype: "float32", port: 0, ...settings }, { ...(signal && { signal }) });
  const blocking = await start({ model: LLAMA });
  const misfit = gpt2Adapter("lm-lora");
  const late = new AbortController();
  const cases: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => start({ adapter: [adapterAt("lm-dora-tables"), misfit] }), /^lm-lora: No module matches/],
    [
      () => start({ model: GPT2, adapter: [gpt2Adapter("lm-lora-saved"), adapterAt("lm-dora")] }),
      /^lm-dora: No module matches/,
    ],
    [() => start({ adapter: ["lm-dora", "lora"].map(adapterAt) }), /^lora: The adapter's head is for SEQ_CLS, not for/],
    [() => start({ adapter: [adapterAt("lm-ia3")], port: Number(new URL(blocking.url).port) }), /the port is in use/],
    [
      () => {
        globalThis.setTimeout(() => late.abort(new Error("stopped")));
        return start({ adapter: [adapterAt("lm-lora-tables")] }, late.signal);
      },
      /stopped/,
    ],
  ];
  for (const [open, message] of cases) {
    const before = liveHandles();
    await expect(open()).rejects.toThrow(message);
    expect(liveHandles() - before, `${message}`).toBeLessThanOrEqual(2);
  }
  await blocking.close();
});
