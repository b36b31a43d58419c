// Tools with the AI SDK's own functions, and a model that has learned to call them.
import { UnsupportedFunctionalityError } from "@ai-sdk/provider";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { toolModel, trainedCaller } from "../../../test/use/server/toolModels.js";
import { createBidora } from "../src/provider.js";
import { chatModel } from "./models.js";

const bidora = createBidora({ dtype: "float32" });
afterAll(() => bidora.dispose());

let trained = "";
beforeAll(async () => {
  trained = await trainedCaller();
}, 120_000);

const get_weather = tool({
  inputSchema: z.object({ city: z.string().max(8), unit: z.enum(["C", "F"]) }),
  execute: ({ city }) => `sunny in ${city}`,
});
const add = tool({
  inputSchema: z.object({ a: z.int().min(0).max(99), b: z.int().min(0).max(99) }),
  execute: ({ a, b }) => a + b,
});
const call = { tools: { get_weather, add }, temperature: 0, maxOutputTokens: 150 };

test("generateText calls a tool, gives its result to the model, and ends with the answer", async () => {
  const { text, steps, warnings } = await generateText({
    ...{ ...call, model: bidora(trained), prompt: "s" },
    stopWhen: stepCountIs(4),
  });
  expect([text, warnings]).toEqual(["It is 3.", []]);
  expect(steps.map(({ finishReason }) => finishReason)).toEqual(["tool-calls", "stop"]);
  expect(steps[0]!.toolCalls).toMatchObject([{ toolName: "add", input: { a: 1, b: 2 } }]);
  expect(steps[0]!.toolCalls[0]!.toolCallId).toMatch(/^call_/);
  expect(steps[0]!.toolResults).toMatchObject([{ toolName: "add", output: 3 }]);
});

test("streamText streams the input of calls, and the text of the last step", async () => {
  const result = streamText({
    ...{ ...call, model: bidora(trained), prompt: "s" },
    stopWhen: stepCountIs(4),
  });
  const types: string[] = [];
  let input = "";
  for await (const part of result.fullStream) {
    if (types.at(-1) !== part.type) types.push(part.type);
    if (part.type === "tool-input-delta") input += part.delta;
  }
  expect(types).toEqual([
    ...["start", "start-step", "tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result"],
    ...["finish-step", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"],
  ]);
  expect([JSON.parse(input), await result.text]).toEqual([{ a: 1, b: 2 }, "It is 3."]);
});

test("a model answers with text where it needs no tool, and gets none with toolChoice none", async () => {
  const { text, toolCalls } = await generateText({ ...call, model: bidora(trained), prompt: "h" });
  expect([text, toolCalls]).toEqual(["Hello.", []]);
  const none = await generateText({ ...call, model: bidora(trained), prompt: "w", toolChoice: "none" });
  const { text: without } = await generateText({ ...call, model: bidora(trained), prompt: "w", tools: {} });
  expect([none.text, none.toolCalls]).toEqual([without, []]);
});

test.each([1, 2, 3])("a random model must call a tool, or the one that is named (seed %i)", async (seed) => {
  const random = { ...call, model: bidora(toolModel()), prompt: "w", temperature: 1.5, maxOutputTokens: 300, seed };
  const named = await generateText({ ...random, toolChoice: { type: "tool", toolName: "add" } });
  expect(named.toolCalls.map(({ toolName }) => toolName)).toEqual(["add"]);
  expect(Object.keys(named.toolCalls[0]!.input as object)).toEqual(["a", "b"]);
  const required = await generateText({ ...random, toolChoice: "required" });
  expect([required.text, required.toolCalls.length > 0]).toEqual(["", true]);
});

test("a model whose calls are not read is the SDK's error", async () => {
  const unread = generateText({ ...call, model: bidora(chatModel()), prompt: "a", maxRetries: 0 });
  await expect(unread).rejects.toThrow(UnsupportedFunctionalityError);
});
