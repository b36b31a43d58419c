// Whatever a schema asks for, the thread that asks goes on: grammars are written and compiled in others, in bounded time and memory.
import { afterAll, expect, test } from "vitest";
import { Grammars } from "../../../../src/models/generation/grammar/grammars.js";
import { type JsonSchema, jsonGrammar } from "../../../../src/models/generation/grammar/jsonGrammar.js";
import { loadTokenizer } from "../../../../src/text/index.js";
import { LLAMA } from "../../../use/server/openServer.js";

const grammars = new Grammars(await loadTokenizer(LLAMA), 301);
afterAll(() => grammars.dispose());

const open = (schema: JsonSchema, signal?: AbortSignal) => grammars.open(schema, [0], signal);

/** A schema whose grammar takes minutes to compile. */
const slow = (i: number): JsonSchema => ({
  anyOf: Array.from({ length: 25 }, (_, k) => ({
    type: "array",
    minItems: 1000 - k,
    maxItems: 1000,
    items: { const: i },
  })),
});

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `${(i * 7919) % 100_003}`);

test.each<[string, JsonSchema]>([
  ["a constant of 60 000 characters", { const: "ab".repeat(30_000) }],
  ["9000 strings", { enum: numbered(9000) }],
  ["strings that begin with each other", { enum: Array.from({ length: 340 }, (_, i) => "a".repeat(i)) }],
  [
    "2500 properties",
    {
      type: "object",
      properties: Object.fromEntries(numbered(2500).map((key) => [key, {}])),
      required: numbered(2500),
    },
  ],
])("%s: the grammar is written in a moment", (_, schema) => {
  const start = performance.now();
  jsonGrammar(schema);
  expect(performance.now() - start).toBeLessThan(3000);
});

test("what would make a very large grammar is refused", () => {
  const lists = Array.from({ length: 200 }, () => ({ type: "array", minItems: 1000 }));
  expect(() => jsonGrammar({ anyOf: lists })).toThrow(
    "The JSON schema has more values than a grammar can be written for",
  );
});

test("a schema of more than 64 kB is refused with its size, and so is one of too many levels", async () => {
  await expect(open({ const: "a".repeat(2 ** 16) })).rejects.toThrow(
    "The JSON schema has 65548 bytes of JSON, and the most is 65536.",
  );
  let nested: JsonSchema = {};
  for (let i = 0; i < 20_000; i++) nested = { items: nested };
  await expect(open(nested)).rejects.toThrow("nested too deeply");
});

test("the faults of a schema are those that its thread finds", async () => {
  await expect(open({ type: "string", pattern: "a" })).rejects.toThrow("In the JSON schema, pattern is not supported.");
});

test("slow schemas leave the asking thread free, and end with the last one who waits", async () => {
  const leaving = new AbortController();
  const all = Array.from({ length: 20 }, (_, i) => open(slow(i), leaving.signal));
  let turns = 0;
  const counter = setInterval(() => turns++, 10);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  clearInterval(counter);
  expect(turns).toBeGreaterThan(40);
  leaving.abort(new Error("left"));
  for (const one of all) await expect(one).rejects.toThrow("left");
  const start = performance.now();
  (await open({ type: "boolean" })).release();
  // Two of the slow ones would take a minute each before it.
  expect(performance.now() - start).toBeLessThan(30_000);
});
