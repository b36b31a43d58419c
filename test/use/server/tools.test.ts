// Tools in conversations: a model that has learned to call them from rows, and models that must call them.
import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluate } from "../../../src/app/commands/index.js";
import { load } from "../../../src/app/commands/models/load.js";
import { freshPath } from "../../support/workFolder.js";
import { openServer, post } from "./openServer.js";
import { ADD, toolModel, trainedCaller, WEATHER } from "./toolModels.js";

interface Delta {
  content?: string;
  tool_calls?: { index: number; id?: string; type?: string; function: { name?: string; arguments: string } }[];
}

const user = (content: string) => ({ role: "user" as const, content });
const tools = [WEATHER, ADD];

describe("a model that has learned to call tools", async () => {
  const trained = await trainedCaller();
  const { client, url } = await openServer({ model: trained });
  const model = basename(trained);
  const ask = { model, tools, temperature: 0, max_tokens: 150 };

  test("calls them, reads the result, and answers", async () => {
    const first = await client.chat.completions.create({ ...ask, messages: [user("s")] });
    const [choice] = first.choices;
    expect(choice).toMatchObject({
      finish_reason: "tool_calls",
      message: {
        role: "assistant",
        content: null,
        tool_calls: [
          {
            id: expect.stringMatching(/^call_[0-9a-f]{24}$/),
            type: "function",
            function: { name: "add", arguments: '{"a": 1, "b": 2}' },
          },
        ],
      },
    });
    const { id } = choice!.message.tool_calls![0]!;
    const messages = [user("s"), choice!.message, { role: "tool" as const, tool_call_id: id, content: "3" }];
    const second = await client.chat.completions.create({ ...ask, messages });
    expect(second.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "It is 3." } });
    expect(second.choices[0]!.message).not.toHaveProperty("tool_calls");
  });

  test("streams the name first, then the arguments in pieces", async () => {
    const stream = await client.chat.completions.create({ ...ask, messages: [user("w")], stream: true });
    const deltas: Delta[] = [];
    const reasons = [];
    for await (const { choices } of stream) {
      deltas.push(choices[0]!.delta as Delta);
      if (choices[0]!.finish_reason) reasons.push(choices[0]!.finish_reason);
    }
    expect(reasons).toEqual(["tool_calls"]);
    const [first, ...rest] = deltas.flatMap(({ tool_calls = [] }) => tool_calls);
    expect(first).toEqual({
      index: 0,
      id: expect.stringMatching(/^call_/),
      type: "function",
      function: { name: "get_weather", arguments: "" },
    });
    expect(rest.length).toBeGreaterThan(3);
    for (const more of rest) expect(more).toEqual({ index: 0, function: { arguments: expect.any(String) } });
    expect(rest.map((more) => more.function.arguments).join("")).toBe('{"city": "Bern", "unit": "C"}');
    expect(deltas.map(({ content = "" }) => content).join("")).toBe("");
  });

  test("answers with text where it needs no tool, and where it may call none", async () => {
    const text = await client.chat.completions.create({ ...ask, messages: [user("h")] });
    expect(text.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "Hello." } });
    const none = await client.chat.completions.create({ ...ask, messages: [user("w")], tool_choice: "none" });
    const without = await client.chat.completions.create({ ...ask, messages: [user("w")], tools: [] });
    expect(none.choices).toEqual(without.choices);
    expect(none.usage).toEqual(without.usage);
    expect(none.choices[0]!.message).not.toHaveProperty("tool_calls");
  });

  test("predicts the whole text, calls included, as evaluation scores it", async () => {
    const own = await load({ model: trained, dtype: "float32" });
    try {
      const messages = [user("s")];
      const [predicted] = await own.predict([{ messages, tools }], { maxNewTokens: 150 });
      const { tokens, text } = predicted as { tokens: number[]; text: string };
      expect(text).toBe(await own.tokenizer.decode(tokens));
      expect(text).toMatch(/^<tool_call>\n\{"name": "add", .*\n<\/tool_call>/);
      const { toolCalls } = await own.generate({ messages, tools }, { maxNewTokens: 150 });
      expect(toolCalls).toHaveLength(1);
      const [data, predictions] = [`${freshPath("rows")}.jsonl`, `${freshPath("predicted")}.jsonl`];
      const row = { messages: [...messages, { role: "assistant", content: "<tool_call> add" }], tools };
      writeFileSync(data, `${JSON.stringify(row)}\n`);
      writeFileSync(predictions, `${JSON.stringify(predicted)}\n`);
      const scored = await evaluate({ model: trained, data, texts: true, maxNewTokens: 150, dtype: "float32" });
      const { metrics } = await evaluate({ predictions, task: "causal-lm", data });
      expect(metrics).toEqual(Object.fromEntries(Object.keys(metrics).map((name) => [name, scored.metrics[name]])));
    } finally {
      own.dispose();
    }
  });

  test("is cut off by its length, and says so", async () => {
    const { choices } = await client.chat.completions.create({ ...ask, messages: [user("s")], max_tokens: 60 });
    expect(choices[0]!.finish_reason).toBe("length");
    expect('{"a": 1, "b": 2}'.startsWith(choices[0]!.message.tool_calls?.[0]?.type === "function" ? "{" : "")).toBe(
      true,
    );
  });

  test("is made to call another tool than it would", async () => {
    const choice = { type: "function" as const, function: { name: "get_weather" } };
    const { choices } = await client.chat.completions.create({ ...ask, messages: [user("s")], tool_choice: choice });
    const calls = choices[0]!.message.tool_calls!;
    expect(calls.map((call) => call.type === "function" && call.function.name)).toEqual(["get_weather"]);
  });

  const chat = (more: object) => post(`${url}/v1/chat/completions`, { ...ask, messages: [user("w")], ...more });
  const toolOf = (name: string, parameters: object) => ({ type: "function", function: { name, parameters } });
  const long = { type: "object", description: "a".repeat(2 ** 16) };

  test.each<[object, string, RegExp]>([
    [{ tools: {} }, "tools", /tools takes a list/],
    [{ tools: [{ name: "f" }] }, "tools", /tools is wrong: tools\[0\] must be \{"type": "function"/],
    [{ tools: [WEATHER, WEATHER] }, "tools", /which another tool has too/],
    [{ tools: Array.from({ length: 129 }, () => WEATHER) }, "tools", /has 129 entries, and the most is 128/],
    [
      { tools: [{ type: "function", function: { name: "f", parameters: long } }] },
      "tools",
      /tools\[0\].function.parameters has 65\d+ bytes of JSON, and the most is 65536/,
    ],
    [
      { tools: Array.from({ length: 5 }, (_, i) => toolOf(`f${i}`, { ...long, description: "a".repeat(6e4) })) },
      "tools",
      /tools has 30\d+ bytes of JSON, and the most is 262144/,
    ],
    [{ chat_template_kwargs: { a: long } }, "chat_template_kwargs", /more than 65536 bytes/],
    [{ tool_choice: "any" }, "tool_choice", /takes "none", "auto", "required", or/],
    [{ tool_choice: { type: "function", function: { name: "f" } } }, "tool_choice", /names "f", which is not among/],
    [{ tools: undefined, tool_choice: "required" }, "tool_choice", /tool_choice is for requests with tools/],
    [{ tools: [], parallel_tool_calls: false }, "parallel_tool_calls", /is for requests with tools/],
    [{ response_format: { type: "json_object" } }, "response_format", /not served with tools/],
    [{ messages: [{ role: "assistant" }] }, "messages.0.content", /messages.0.content is missing/],
    [{ messages: [{ ...user("w"), tool_calls: [{}] }] }, "messages.0.tool_calls", /must be \{"type": "function"/],
    [
      { messages: [{ role: "assistant", tool_calls: [{ function: { name: "f", arguments: "[" } }] }] },
      "messages.0.tool_calls",
      /arguments must be a JSON object/,
    ],
    [{ messages: [user("w"), { role: "tool", content: "1" }] }, "messages", /a tool's result without a call/],
    [{ chat_template_kwargs: { messages: [] } }, "chat_template_kwargs", /must not have messages/],
    [
      { tools: [{ type: "function", function: { name: "f", parameters: { pattern: "a" } } }], tool_choice: "required" },
      "tools",
      /tools.0.function.parameters.pattern is not supported/,
    ],
  ])("refuses what is wrong: %#", async (more, param, message) => {
    const { status, json } = await chat(more);
    expect([status, json.error?.param, json.error?.message]).toEqual([400, param, expect.stringMatching(message)]);
  });

  test("answers /health while it gets tools of the largest size, right and wrong", async () => {
    const large = Array.from({ length: 4 }, (_, i) => toolOf(`f${i}`, { ...long, description: "a".repeat(6e4) }));
    const nested = toolOf("f", JSON.parse(`${'{"a":['.repeat(400)}1${"]}".repeat(400)}`));
    const bodies = [
      { tools: large },
      { tools: large, tool_choice: "required" },
      { tools: [nested], tool_choice: "required" },
    ];
    const answers = Promise.all(Array.from({ length: 12 }, (_, i) => chat(bodies[i % 3]!)));
    let isDone = false;
    void answers.finally(() => (isDone = true)).catch(() => {});
    const waits: number[] = [];
    while (!isDone) {
      const begin = performance.now();
      expect((await fetch(`${url}/health`)).status).toBe(200);
      waits.push(performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // In the quartile, so that other work of a busy machine does not count.
    expect(waits.sort((a, b) => a - b)[Math.floor(waits.length * 0.75)]).toBeLessThan(100);
    expect(new Set((await answers).map(({ status }) => status))).toEqual(new Set([400]));
  });

  test("refuses tools of a completion", async () => {
    const { status, json } = await post(`${url}/v1/completions`, { model, prompt: "a", tools });
    expect([status, json.error?.param]).toEqual([400, "tools"]);
  });
});

describe.each(["hermes", "llama", "mistral"] as const)("a random model with the template of %s", async (form) => {
  const { client } = await openServer({ model: toolModel(form, form) });
  const ask = { model: form, tools, temperature: 1.5, max_tokens: 300, messages: [user("w")] };

  const validate = (name: string, text: string) => {
    const given = JSON.parse(text) as Record<string, unknown>;
    if (name === "add") {
      expect(Object.keys(given)).toEqual(["a", "b"]);
      for (const one of [given.a, given.b]) expect(one).toBeLessThanOrEqual(99);
    } else
      expect([name, Object.keys(given), ["C", "F"].includes(given.unit as string)]).toEqual([
        "get_weather",
        ["city", "unit"],
        true,
      ]);
  };

  test.each([1, 2, 3, 4])("must call a tool: %i", async (seed) => {
    const { choices } = await client.chat.completions.create({
      ...{ ...ask, seed, n: 2 },
      ...{ tool_choice: "required", parallel_tool_calls: false },
    });
    for (const { message, finish_reason } of choices) {
      expect([finish_reason, message.content, message.tool_calls?.length]).toEqual(["tool_calls", null, 1]);
      for (const call of message.tool_calls!)
        if (call.type === "function") validate(call.function.name, call.function.arguments);
    }
  });

  test("must call the named tool, streamed", async () => {
    const stream = await client.chat.completions.create({
      ...{ ...ask, seed: 5, stream: true },
      tool_choice: { type: "function", function: { name: "add" } },
    });
    const parts: NonNullable<Delta["tool_calls"]> = [];
    for await (const { choices } of stream) parts.push(...((choices[0]!.delta as Delta).tool_calls ?? []));
    expect(parts[0]!.function.name).toBe("add");
    expect(parts.every(({ index }) => index === 0)).toBe(true);
    validate("add", parts.map((part) => part.function.arguments).join(""));
  });

  test("may call several tools at once", async () => {
    const { choices } = await client.chat.completions.create({
      ...ask,
      n: 8,
      seed: 1,
      temperature: 30,
      tool_choice: "required",
    });
    const ended = choices.filter(({ finish_reason }) => finish_reason === "tool_calls");
    for (const { message } of ended)
      for (const call of message.tool_calls!)
        if (call.type === "function") validate(call.function.name, call.function.arguments);
    const counts = choices.map(({ message }) => message.tool_calls!.length);
    expect(Math.max(...counts)).toBeGreaterThan(form === "llama" ? 0 : 1);
    if (form === "llama") expect(new Set(counts)).toEqual(new Set([1]));
  });
});
