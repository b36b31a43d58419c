// Answers by a JSON schema parse and validate, however tokens are chosen, and are the same alone and among others.
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Completion, CompletionChoice } from "openai/resources/completions";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { few } from "../../support/few.js";
import { adaptedWriter, roomy } from "./jsonModels.js";
import { ADAPTED, adapterAt, LLAMA, loaded, openServer, post, until } from "./openServer.js";

const ajv = new Ajv2020({ strict: false, validateFormats: false });

const zodSchema = (type: z.ZodType) => z.toJSONSchema(type) as Record<string, unknown>;

const SCHEMAS: Readonly<Record<string, Record<string, unknown>>> = {
  person: zodSchema(
    z.object({
      name: z.string().max(12),
      age: z.int().min(0).max(130),
      mood: z.enum(["good", "bad"]).nullable(),
      tags: z.array(z.string().min(1).max(3)).max(3),
      score: z.number().min(0).max(1).optional(),
    }),
  ),
  union: zodSchema(
    z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("circle"), radius: z.number() }),
      z.object({ kind: z.literal("none") }),
    ]),
  ),
  recursive: {
    type: "object",
    properties: { v: { type: "integer" }, next: { anyOf: [{ type: "null" }, { $ref: "#" }] } },
    required: ["v", "next"],
    additionalProperties: false,
  },
  record: zodSchema(z.record(z.string().max(3), z.boolean())),
  tuple: zodSchema(z.tuple([z.int().min(-3).max(12), z.literal("é\n")])),
  formats: {
    type: "object",
    properties: Object.fromEntries(
      ["date", "time", "date-time", "email", "ipv4", "uuid"].map((format) => [format, { type: "string", format }]),
    ),
    required: ["uuid"],
  },
};

const formatOf = (schema: Record<string, unknown>) =>
  ({ type: "json_schema", json_schema: { name: "answer", schema } }) as const;

interface Logprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly (number | null)[];
  readonly top_logprobs: readonly (Readonly<Record<string, number>> | null)[];
}

const logprobsOf = ([choice]: readonly { readonly logprobs: unknown }[]): Logprobs => choice?.logprobs as Logprobs;

/** Expects JSON that validates. */
function expectValid(text: string, schema: Record<string, unknown>): void {
  expect(() => JSON.parse(text), text).not.toThrow();
  expect([ajv.validate(schema, JSON.parse(text)), text], ajv.errorsText()).toEqual([true, text]);
}

describe("of a model whose tokens are random", async () => {
  const folder = roomy();
  const { client, url } = await openServer({ model: folder });
  const messages = [{ role: "user" as const, content: "hi" }];

  test.each(few(Object.entries(SCHEMAS), 4))(
    "%s: sampled at temperature 1.5, whole and streamed",
    async (_, schema) => {
      const body = { model: "roomy", temperature: 1.5, top_k: 0, max_tokens: 900, n: 12, seed: 5 };
      const response_format = formatOf(schema);
      const { choices } = await client.chat.completions.create({ ...body, messages, response_format });
      const whole = choices.filter(({ finish_reason }) => finish_reason === "stop");
      expect(whole.length).toBeGreaterThan(4);
      for (const { message } of whole) expectValid(message.content as string, schema);
      expect(new Set(choices.map(({ message }) => message.content)).size).toBeGreaterThan(1);
      const texts = choices.map(() => "");
      for await (const { choices: parts } of await client.chat.completions.create({
        ...{ ...body, messages, response_format, stream: true },
      }))
        for (const { index, delta } of parts) texts[index] += delta.content ?? "";
      expect(texts).toEqual(choices.map(({ message }) => message.content));
    },
  );

  test("greedy, of completions, any object, and cut off", async () => {
    const body = { model: "roomy", prompt: ["a", "b"], temperature: 0, max_tokens: 400 };
    const { person, record } = SCHEMAS as { person: object; record: object };
    for (const schema of [person, record] as Record<string, unknown>[]) {
      const { choices } = await client.completions.create({ ...body, response_format: formatOf(schema) } as never);
      for (const { text, finish_reason } of choices) if (finish_reason === "stop") expectValid(text, schema);
    }
    const sampled = { ...body, temperature: 1.5, top_k: 0, n: 16, response_format: { type: "json_object" } };
    const { choices } = await client.completions.create(sampled as never);
    const whole = choices.filter(({ finish_reason }) => finish_reason === "stop");
    expect(whole.length).toBeGreaterThan(0);
    for (const { text } of whole) expectValid(text, { type: "object" });
    const cut = { ...body, max_tokens: 3, response_format: formatOf(person as never) };
    for (const { text, finish_reason } of (await client.completions.create(cut as never)).choices) {
      expect(finish_reason).toBe("length");
      expect('{"name":'.startsWith(text.replace(/\s/g, "")), text).toBe(true);
    }
  });

  test("log-probabilities are those of the model, as without a schema", async () => {
    const body = { model: "roomy", prompt: [9, 20, 31], max_tokens: 12, temperature: 1, seed: 3, logprobs: 2 };
    const { choices } = await client.completions.create({
      ...body,
      response_format: formatOf(SCHEMAS.person as never),
    } as never);
    const { tokens, token_logprobs, top_logprobs } = logprobsOf(choices);
    const model = await loaded(folder);
    const written = await model.tokenizer.tokensOf([choices[0]?.text as string]);
    expect(tokens.length).toBe(12);
    const echo = { ...body, max_tokens: 0, echo: true, logprobs: 0 };
    const ids = [...body.prompt, ...(written[0]?.ids ?? [])];
    const scored = await client.completions.create({ ...echo, prompt: ids });
    // The text may be split in another way than it was written, but for its first token.
    expect(token_logprobs[0]).toBeCloseTo(logprobsOf(scored.choices).token_logprobs[3] as number, 4);
    expect(Object.values(top_logprobs[0] as object).some((one) => one > (token_logprobs[0] as number))).toBe(true);
  });

  test("stop strings end an answer", async () => {
    const body = { model: "roomy", prompt: "a", max_tokens: 200, temperature: 1.5, seed: 1 };
    const response_format = formatOf(SCHEMAS.person as never);
    const { choices } = await client.completions.create({ ...body, response_format, stop: '"age"' } as never);
    expect(choices[0]?.finish_reason).toBe("stop");
    expect(choices[0]?.text).toMatch(/^\{\s*"name":/);
    expect(choices[0]?.text).not.toContain("age");
  });

  test.each([
    [{ type: "string", pattern: "a+" }, "pattern is not supported"],
    [
      { type: "object", properties: { a: { type: "integer", multipleOf: 3 } } },
      "properties.a.multipleOf is not supported",
    ],
    [{ type: "object", properties: { a: { not: {} } } }, "properties.a.not is not supported"],
    [{ type: "array", uniqueItems: true }, "uniqueItems is not supported"],
    [{ allOf: [{ type: "object" }] }, "allOf is not supported"],
    [{ type: "text" }, "type must be one or more of object"],
    [{ $ref: "#/$defs/a" }, "names #/$defs/a, which the schema does not have"],
    [{ $ref: "#" }, "refers to itself"],
    [{ $ref: "http://127.0.0.1/x" }, "must refer to a place in the schema"],
    [{ enum: [] }, "enum must be a list of at least one entry"],
    [{ type: "integer", minimum: 3, maximum: 2 }, "bounds that no number satisfies"],
    [{ type: "number", minimum: 0.5 }, "bounds of numbers must be whole"],
    [{ oneOf: [{ type: "string" }, { type: "integer" }] }, "use anyOf"],
    [{ type: "string", format: "uri" }, "is supported for date, time"],
    [{ type: "string", minLength: 1e9 }, "must be a whole number from 0 to 1000"],
    [{ type: "string", maxLength: 201 }, "add up to more than 200"],
    [{ type: "object", properties: {}, required: ["a"] }, 'names "a", which is not in properties'],
    [{ type: "string", properties: {} }, "properties has no effect on type string"],
  ])("%j is refused", async (schema, message) => {
    const body = { model: "roomy", messages, response_format: formatOf(schema as never) };
    const { status, json } = await post(`${url}/v1/chat/completions`, body);
    expect([status, json.error?.param, json.error?.message]).toEqual([
      400,
      "response_format",
      expect.stringContaining(message),
    ]);
  });

  test("a schema that is nested without end is refused, and one of a thousand parts is followed", async () => {
    let deep: object = { type: "string" };
    for (let i = 0; i < 200; i++) deep = { type: "array", items: deep };
    const send = (schema: object) =>
      post(`${url}/v1/completions`, {
        model: "roomy",
        prompt: "a",
        max_tokens: 5,
        response_format: formatOf(schema as never),
      });
    expect((await send(deep)).json.error?.message).toContain("nested more than");
    const properties = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`p${i}`, { type: "boolean" }]));
    expect((await send({ type: "object", properties, required: Object.keys(properties) })).status).toBe(200);
  });
});

test("adapters chosen by name: alone, together with others, and as generate has them", async () => {
  const folder = adaptedWriter();
  const names = ["lm-lora", "lm-dora", "lm-lora-tables"];
  const { client } = await openServer({ model: folder, adapter: names.map(adapterAt) });
  const schema = SCHEMAS.person as Record<string, unknown>;
  const settings = { maxNewTokens: 300, temperature: 1.5, topK: 0, seed: 4 };
  const body = { max_tokens: 300, temperature: 1.5, top_k: 0, seed: 4, response_format: formatOf(schema) };
  const ask = (model: string, prompt: string) => client.completions.create({ model, prompt, ...body } as never);
  const requests = ["lm", ...names].flatMap((model) => ["abc", '{"x"'].map((prompt) => ({ model, prompt })));
  const others = Array.from({ length: 6 }, (_, seed) =>
    client.completions.create({ model: "lm", prompt: "zz", max_tokens: 200, temperature: 2, seed }),
  );
  const together = await Promise.all(requests.map(({ model, prompt }) => ask(model, prompt)));
  await Promise.all(others);
  const texts = new Set<string>();
  for (const [i, { model, prompt }] of requests.entries()) {
    const [{ text, finish_reason }] = (together[i] as Completion).choices as [CompletionChoice];
    const own = await loaded(folder, model === "lm" ? undefined : adapterAt(model));
    const row = await own.generate(prompt, { ...settings, jsonSchema: schema });
    expect([text, finish_reason]).toEqual([row.text, row.finish === "length" ? "length" : "stop"]);
    if (finish_reason === "stop") expectValid(text, schema);
    if (i % 3 === 0) expect((await ask(model, prompt)).choices[0]?.text).toBe(text);
    texts.add(text);
  }
  expect(texts.size).toBeGreaterThan(4);
});

test("tokens that are no parts of texts, and beams, can't follow a schema", async () => {
  const { url } = await openServer({ model: ADAPTED });
  const response_format = { type: "json_object" };
  const { status, json } = await post(`${url}/v1/completions`, { model: "lm", prompt: "a", response_format });
  expect([status, json.error?.message]).toEqual([400, expect.stringContaining("byte-level or SentencePiece")]);
  const model = await loaded(LLAMA);
  await expect(model.generate("a", { jsonSchema: {}, beams: 2 })).rejects.toThrow("beam search");
  await expect(model.generate("a", { jsonSchema: 5 as never })).rejects.toThrow("generate: jsonSchema takes");
});

/** Requests with schemas that take more than a second to compile together. */
const SLOW = Array.from({ length: 8 }, (_, i) => ({
  ...{ model: "slow", prompt: "a", max_tokens: 1 },
  response_format: formatOf({ type: "string", minLength: 90 + i, maxLength: 100 }),
}));

/** A server of one model that compiles the schemas. */
async function compiling(leaving?: AbortSignal) {
  const { url, server } = await openServer({ model: roomy("slow"), maxConcurrentRequests: SLOW.length });
  const send = (body: object) =>
    fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify(body), signal: leaving ?? null });
  const answers = Promise.allSettled(SLOW.map(send));
  const status = async () =>
    (await post(`${url}/v1/completions`, { model: "slow", prompt: "a", max_tokens: 1 })).status;
  await until(async () => (await status()) === 429);
  return { url, server, answers, status };
}

test("clients that hang up while their schemas are compiled free their places, and the next one has the grammar", async () => {
  const leaving = new AbortController();
  const { url, answers, status } = await compiling(leaving.signal);
  leaving.abort();
  await answers;
  await until(async () => (await status()) === 200, 400);
  expect((await post(`${url}/v1/completions`, SLOW[0])).status).toBe(200);
});

test("closing ends requests whose schemas are compiled", async () => {
  const { server, answers } = await compiling();
  const start = performance.now();
  await server.close();
  expect(performance.now() - start).toBeLessThan(900);
  for (const answer of await answers) expect(answer).toMatchObject({ value: { status: 503 } });
});
