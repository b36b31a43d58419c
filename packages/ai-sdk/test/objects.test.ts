// Objects by a schema, with the AI SDK's own functions and a small random model.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UnsupportedFunctionalityError } from "@ai-sdk/provider";
import { generateObject, generateText, Output, streamText } from "ai";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { createBidora } from "../src/provider.js";
import { chatModel } from "./models.js";

const folder = chatModel();
const config = join(folder, "config.json");
writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, "utf8")), max_position_embeddings: 1024 }));
const bidora = createBidora();
afterAll(() => bidora.dispose());

const schema = z.object({
  name: z.string().max(8),
  age: z.int().min(0).max(130),
  mood: z.enum(["good", "bad"]).nullable(),
  pair: z.tuple([z.boolean(), z.literal("x")]),
});
const call = { model: bidora(folder), prompt: "who?", temperature: 1.5, maxOutputTokens: 400 };

test.each([1, 2, 3])("generateObject gives an object of the schema (seed %i)", async (seed) => {
  const { object, finishReason, warnings } = await generateObject({ ...call, schema, seed });
  expect(schema.parse(object)).toEqual(object);
  expect([finishReason, warnings]).toEqual(["stop", []]);
});

test("streamed and with generateText, an object, one of several, and any JSON", async () => {
  const { output } = await generateText({ ...call, seed: 4, output: Output.object({ schema }) });
  expect(schema.parse(output)).toEqual(output);
  const streamed = streamText({ ...call, seed: 4, output: Output.object({ schema }) });
  expect(await streamed.output).toEqual(output);
  const choice = await generateText({ ...call, output: Output.choice({ options: ["sun", "rain"] }) });
  expect(["sun", "rain"]).toContain(choice.output);
  const list = await generateText({ ...call, seed: 1, output: Output.array({ element: z.boolean() }) });
  expect(z.array(z.boolean()).parse(list.output)).toEqual(list.output);
  // Random texts are long; some end in time.
  const calls = Array.from({ length: 8 }, (_, seed) => generateObject({ ...call, output: "no-schema", seed }));
  const { object } = await Promise.any(calls);
  expect(typeof object).toBe("object");
});

test("a schema that is not supported is the SDK's error", async () => {
  const unsupported = generateObject({ ...call, schema: z.object({ a: z.string().regex(/a/) }), maxRetries: 0 });
  await expect(unsupported).rejects.toThrow(UnsupportedFunctionalityError);
});
