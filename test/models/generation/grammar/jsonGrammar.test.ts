// Every text of a schema's grammar is JSON that the schema allows, and ordinary JSON of the schema is a text of it.
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, describe, expect, test } from "vitest";
import { type Grammar, Grammars } from "../../../../src/models/generation/grammar/grammars.js";
import { type JsonSchema, jsonGrammar } from "../../../../src/models/generation/grammar/jsonGrammar.js";
import { isAllowed } from "../../../../src/models/generation/search.js";
import { loadTokenizer, TokenBytes } from "../../../../src/text/index.js";
import { few } from "../../../support/few.js";
import { LLAMA } from "../../../use/server/openServer.js";

const ajv = new Ajv2020({ strict: false, validateFormats: false });
const VOCABULARY = 301;
const END = 0;

const tokenizer = await loadTokenizer(LLAMA);
const bytes = new TokenBytes(tokenizer);
const byteIds = new Map(
  Array.from({ length: VOCABULARY }, (_, id) => [bytes.of(id), id] as const).flatMap(([own, id]) =>
    own.length === 1 && !bytes.isSpecial(id) ? [[own[0] as number, id] as const] : [],
  ),
);
const grammars = new Grammars(tokenizer, VOCABULARY, jsonGrammar);
afterAll(() => grammars.dispose());

const strings = (more: object) => ({ type: "string", ...more });
const node = {
  type: "object",
  properties: { v: { type: "integer" }, next: { $ref: "#/$defs/node" } },
  required: ["v"],
  additionalProperties: false,
};

/** Schemas, each with values that its grammar has. */
const SCHEMAS: readonly (readonly [object | boolean, readonly unknown[]])[] = [
  [{}, [1, "a", null, [], {}, { a: [{ b: -1.5e-3 }, true] }]],
  [{ type: "string" }, ["", "é東🙂ก힣\u07ff\u0800\uffff", '"\\/\b\f\n\r\t\u0001']],
  [strings({ minLength: 2, maxLength: 4 }), ["ab", "🙂é東a"]],
  [strings({ minLength: 3 }), ["abcdefgh"]],
  [{ type: "integer" }, [0, -7, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]],
  [{ type: "integer", minimum: -15, maximum: 1203 }, [-15, -9, 0, 999, 1000, 1199, 1200, 1203]],
  [{ type: "integer", exclusiveMinimum: 3, exclusiveMaximum: 7 }, [4, 5, 6]],
  [{ type: "integer", minimum: 7 }, [7, 10, 12345]],
  [{ type: "integer", maximum: -7 }, [-7, -10, -12345]],
  [{ type: "integer", minimum: 0.5, maximum: 3.5 }, [1, 3]],
  [{ type: "integer", minimum: -1e17, maximum: 1e17 }, [0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]],
  [{ type: "integer", minimum: Number.MAX_SAFE_INTEGER }, [Number.MAX_SAFE_INTEGER]],
  [{ type: "integer", minimum: 98, maximum: 104 }, [98, 99, 100, 104]],
  [{ type: "number" }, [0, -0.5, 1e21, 12.25]],
  [{ type: "number", minimum: 0, maximum: 1 }, [0, 0.25, 1]],
  [{ type: "number", minimum: -20, maximum: -3 }, [-20, -19.5, -3.25, -3]],
  [{ type: "number", minimum: -2, maximum: 10 }, [-2, -1.5, -0.5, 9.75, 10]],
  [{ enum: ["a", 'x"y', 3, null, { a: [1] }, "東"] }, ["a", 'x"y', 3, null, { a: [1] }, "東"]],
  [{ type: "string", enum: ["a", 3] }, ["a"]],
  [{ enum: ["да", "нет", 7] }, [7]], // the others are written with escapes
  [{ enum: Array.from({ length: 60 }, (_, i) => `${(i * 7919) % 1009} of ${"abc"[i % 3]}`) }, ["0 of a"]],
  [{ type: "integer", minimum: 3968 }, [3968, 4000, 12345]],
  [{ type: "integer", minimum: -2051642, maximum: -5043 }, [-5043, -9999, -2051642]],
  [
    {
      anyOf: [
        { type: "object", additionalProperties: { type: "integer" } },
        { type: "array", items: { type: "null" } },
      ],
    },
    [{ a: 1, b: 2, c: 3 }, [null, null]],
  ],
  [{ const: { a: "ü\n" } }, [{ a: "ü\n" }]],
  [{ type: ["string", "null", "integer"], maxLength: 2 }, ["ab", null, 12]],
  [{ anyOf: [{ type: "boolean" }, { type: "array", items: { type: "null" } }] }, [true, [null, null]]],
  [
    {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "string" }, c: { type: "null" }, d: { type: "boolean" } },
      required: ["b", "d"],
    },
    [
      { a: 1, b: "x", c: null, d: true },
      { b: "x", d: false },
      { b: "x", c: null, d: false },
    ],
  ],
  [{ properties: { a: { type: "integer" }, b: { type: "null" } } }, [{}, { a: 1 }, { b: null }, { a: 1, b: null }]],
  [{ type: "object", additionalProperties: { type: "integer" } }, [{}, { a: 1, 'b"': 2 }]],
  [{ type: "object", additionalProperties: false }, [{}]],
  [{ type: "object", propertyNames: strings({ maxLength: 2 }), additionalProperties: true }, [{ ab: [] }]],
  [
    { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 3 },
    [
      [true, false],
      [true, true, false],
    ],
  ],
  [{ type: "array", items: { type: "null" }, maxItems: 0 }, [[]]],
  [{ type: "array", prefixItems: [{ type: "integer" }, { type: "string" }], items: false }, [[1, "a"]]],
  [{ type: "array", prefixItems: [{ type: "integer" }], items: { type: "null" }, minItems: 2 }, [[1, null]]],
  [{ $ref: "#/$defs/node", $defs: { node } }, [{ v: 1 }, { v: 1, next: { v: 2, next: { v: 3 } } }]],
  [{ $ref: "#/definitions/a~1b%20c", definitions: { "a/b c": { type: "null" } } }, [null]],
  [
    { type: "object", properties: { 'a"b\\': { type: "null" }, é: { type: "null" }, "x\ny": {} } },
    [{ é: null, "x\ny": 1 }],
  ],
];

test.each<[JsonSchema, string]>([
  [{ type: "integer", minimum: 1e16 }, "beyond 9007199254740991"],
  [{ type: "integer", maximum: -1e17 }, "beyond -9007199254740991"],
  [{ type: "integer", exclusiveMinimum: Number.MAX_SAFE_INTEGER }, "beyond 9007199254740991"],
  [{ type: "integer", exclusiveMaximum: Number.MIN_SAFE_INTEGER }, "beyond -9007199254740991"],
  [{ type: "number", minimum: 1e16 }, "beyond 9007199254740991"],
  [{ type: "number", maximum: -1e17 }, "beyond -9007199254740991"],
])("%j is refused: an answer could break it", (schema, message) => {
  expect(() => jsonGrammar(schema)).toThrow(`The JSON schema has bounds ${message}, which are not exact`);
});

/** A random number generator (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A text of random allowed tokens, or undefined if it has not ended after many. */
async function randomText(grammar: Grammar, random: () => number): Promise<string | undefined> {
  const constraint = grammar.constraint();
  const parts: Uint8Array[] = [];
  for (let i = 0; i < 300; i++) {
    const allowed = await constraint.allowed();
    const ids = Array.from({ length: VOCABULARY }, (_, id) => id).filter((id) => isAllowed(allowed, id));
    expect(ids, Buffer.concat(parts).toString()).not.toEqual([]);
    const others = ids.filter((id) => id !== END);
    if (ids.includes(END) && (others.length === 0 || random() < 0.7)) return Buffer.concat(parts).toString();
    const closing = ids.filter((id) => /^["}\]]$/.test(Buffer.from(bytes.of(id)).toString()));
    const foreign = ids.filter((id) => (bytes.of(id)[0] as number) >= 0x80);
    const pool =
      closing.length > 0 && random() < 0.3 ? closing : foreign.length > 0 && random() < 0.5 ? foreign : others;
    const id = pool[Math.floor(random() * pool.length)] as number;
    constraint.accept(id);
    parts.push(bytes.of(id));
  }
  return undefined;
}

/** Whether a text, byte by byte, is one of the grammar. */
async function hasText(grammar: Grammar, text: string): Promise<boolean> {
  const constraint = grammar.constraint();
  for (const byte of Buffer.from(text)) {
    const id = byteIds.get(byte) as number;
    if (!isAllowed(await constraint.allowed(), id)) return false;
    constraint.accept(id);
  }
  return isAllowed(await constraint.allowed(), END);
}

describe.each(few(SCHEMAS, 9))("%j", (schema, values) => {
  test("has valid texts only", async () => {
    const grammar = await grammars.open(schema as never, [END]);
    const random = randomFrom(7);
    for (let i = 0; i < 40; i++) {
      const text = await randomText(grammar, random);
      if (text === undefined) continue;
      expect(() => JSON.parse(text), text).not.toThrow();
      expect([ajv.validate(schema, JSON.parse(text)), text], ajv.errorsText()).toEqual([true, text]);
      expect(text).not.toContain("\ufffd");
    }
    grammar.release();
  });

  test("has ordinary values, compact and indented", async () => {
    const grammar = await grammars.open(schema as never, [END]);
    for (const value of values)
      for (const text of [JSON.stringify(value), JSON.stringify(value, undefined, 4)]) {
        expect([text, await hasText(grammar, text)]).toEqual([text, true]);
        expect(await hasText(grammar, `${text}x`)).toBe(false);
      }
    grammar.release();
  });
});

test("a constant of 40 000 characters", async () => {
  const text = Array.from({ length: 40_000 }, (_, i) => String.fromCharCode(97 + ((i * i) % 23))).join("");
  const grammar = await grammars.open({ const: text }, [END]);
  expect(await hasText(grammar, JSON.stringify(text))).toBe(true);
  expect(await hasText(grammar, JSON.stringify(text.slice(1)))).toBe(false);
  grammar.release();
});

test("halves of surrogate pairs are no characters, even escaped", async () => {
  const grammar = await grammars.open({ type: "string" }, [END]);
  expect(await hasText(grammar, '"\\ud83d"')).toBe(false);
  expect(await hasText(grammar, '"\\uD7ff\\uE000\\u0000"')).toBe(true);
  grammar.release();
});

test("a signal gives up waiting for a grammar, which the next one has", async () => {
  const schema = { type: "string", minLength: 90 };
  const own = new Grammars(tokenizer, VOCABULARY);
  await expect(own.open(schema, [END], AbortSignal.timeout(5))).rejects.toThrow("timeout");
  await expect(own.open(schema, [END], AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  const grammar = await own.open(schema, [END]);
  expect(isAllowed(await grammar.constraint().allowed(), byteIds.get(0x22) as number)).toBe(true);
  grammar.release();
  own.dispose();
});
