// A server that proposes tokens answers as one without: greedy and sampled, streamed, with adapters, log-probabilities and schemas.
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { SequenceBatch } from "../../../src/models/generation/index.js";
import { GOLDEN } from "../../e2e/support.js";
import { roomy } from "./jsonModels.js";
import { ADAPTED, adapterAt, LLAMA, openServer } from "./openServer.js";

const OTHER = join(GOLDEN, "generation/qwen2");
const PROMPTS = ["Hello there", "a", "ababababab", "one two three one two three one two", "東京 🙂"];

type Client = Awaited<ReturnType<typeof openServer>>["client"];

/** Completions of several requests at once, with rounded log-probabilities. */
async function answers(client: Client, bodies: readonly object[]) {
  const all = await Promise.all(
    bodies.map((body) => client.completions.create({ model: "llama", prompt: PROMPTS, max_tokens: 20, ...body })),
  );
  return all.map(({ choices, usage }) => ({
    choices: choices.map(({ text, finish_reason, logprobs }) => ({
      text,
      finish_reason,
      logprobs: logprobs && JSON.parse(JSON.stringify(logprobs), (_, x) => (typeof x === "number" ? +x.toFixed(3) : x)),
    })),
    tokens: usage?.completion_tokens,
  }));
}

const BODIES = [
  { temperature: 0 },
  { temperature: 1.1, seed: 4, n: 3, top_p: 0.9 },
  { temperature: 0, logprobs: 2, echo: true },
  { temperature: 0.8, seed: 1, repetition_penalty: 1.2, stop: ["e", "th"] },
  { temperature: 0, max_tokens: 1 },
  { temperature: 0, max_tokens: 0, echo: true, logprobs: 1 },
];

test.each([["ngram"], [LLAMA], [OTHER]])("completions, with --draft %s", async (draft) => {
  const { client: plain } = await openServer({ model: LLAMA });
  const { client } = await openServer({ model: LLAMA, draft, draftTokens: 4 });
  const expected = await answers(plain, BODIES);
  const passes = vi.spyOn(SequenceBatch.prototype, "logitsAfter");
  expect(await answers(client, BODIES)).toEqual(expected);
  expect(passes.mock.calls.some(([sequences]) => sequences.some(({ wanted }) => wanted > 1))).toBe(true);
  passes.mockRestore();
  const body = { model: "llama", prompt: PROMPTS[3] as string, max_tokens: 24, stream: true } as const;
  let text = "";
  for await (const { choices } of await client.completions.create(body)) text += choices[0]?.text ?? "";
  const { choices } = await plain.completions.create({ ...body, stream: false });
  expect(text).toBe(choices[0]?.text);
});

test("adapters beside the base model", async () => {
  const names = ["lm-lora", "lm-dora", "lm-ia3"];
  const adapter = names.map(adapterAt);
  const { client: plain } = await openServer({ model: ADAPTED, adapter });
  const bodies = ["lm", ...names].map((model) => ({
    model,
    prompt: ["a b", "c", "q r q r q r"],
    temperature: 1,
    seed: 3,
  }));
  const expected = await answers(plain, bodies);
  for (const draft of ["ngram", ADAPTED]) {
    const { client } = await openServer({ model: ADAPTED, adapter, draft });
    expect(await answers(client, bodies)).toEqual(expected);
  }
});

test("answers by a JSON schema", async () => {
  const model = roomy();
  const schema = {
    type: "object",
    properties: { list: { type: "array", items: { enum: ["one", "two"] }, minItems: 6 } },
    required: ["list"],
    additionalProperties: false,
  };
  const format = { type: "json_schema", json_schema: { name: "answer", schema } } as const;
  const body = { model: "roomy", max_tokens: 200, prompt: "a", response_format: format };
  const { client: plain } = await openServer({ model });
  const [expected] = await answers(plain, [body]);
  expect(JSON.parse(expected?.choices[0]?.text as string).list.length).toBeGreaterThan(5);
  for (const draft of ["ngram", model]) {
    const { client } = await openServer({ model, draft });
    expect(await answers(client, [body])).toEqual([expected]);
  }
});

test("--draft is refused for a model without texts, and for one with other tokens", async () => {
  await expect(openServer({ model: join(GOLDEN, "embeddings/bert-mean"), draft: "ngram" })).rejects.toThrow(
    "No effect: --draft is for language models, and the model is for embedding; leave it out.",
  );
  await expect(openServer({ model: LLAMA, draft: ADAPTED })).rejects.toThrow(
    /^--draft .*lm has another tokenizer than the model, and a draft's tokens must be the model's: its vocabulary has 117 tokens, the model's 301\. Give a smaller model of the same family, or ngram\.$/,
  );
  await expect(openServer({ model: LLAMA, draft: "nowhere/at/all" })).rejects.toThrow(
    "--draft nowhere/at/all: There is no folder nowhere/at/all.",
  );
});
