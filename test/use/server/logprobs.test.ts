// Log-probabilities are those of the model's own distribution, of prompts and of generated tokens.
import { afterAll, expect, test } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { SequenceBatch } from "../../../src/models/generation/index.js";
import type { Model } from "../../../src/use/inference/model.js";
import type { GeneratedRow } from "../../../src/use/inference/textGenerator.js";
import { LLAMA, openServer, withTemplate } from "./openServer.js";

let model: Model;
afterAll(() => model.dispose());

/** The log-probabilities of each next token, computed at once in float64 from the model's logits. */
function distributions(ids: readonly number[]): number[][] {
  const batch = new SequenceBatch(model.module, 1);
  const [logits] = batch.logitsAfter([{ ids, wanted: ids.length }]) as [Float32Array[]];
  batch.dispose();
  return logits.map((row) => {
    const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
    return Array.from(row, (x) => x - total);
  });
}

interface Logprobs {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  readonly text_offset: number[];
}

/** The log-probabilities of a choice. */
const logprobsIn = (choice: { readonly logprobs: unknown } | undefined): Logprobs => choice?.logprobs as Logprobs;

test("of a prompt that is repeated, alone and with further tokens", async () => {
  const { client } = await openServer({ model: LLAMA });
  model = await load({ model: LLAMA, dtype: "float32" });
  const ids = Array.from({ length: 70 }, (_, i) => 5 + ((i * 11) % 250));
  const other = [9, 20, 31];
  for (const max_tokens of [0, 1]) {
    const body = { model: "llama", prompt: [ids, other, ids], max_tokens, temperature: 0, echo: true, logprobs: 3 };
    const { choices, usage } = await client.completions.create(body);
    expect(usage?.prompt_tokens).toBe(2 * ids.length + other.length);
    for (const [i, prompt] of [ids, other, ids].entries()) {
      const { token_logprobs, top_logprobs, tokens } = logprobsIn(choices[i]);
      expect(tokens.length).toBe(prompt.length + max_tokens);
      expect([token_logprobs[0], top_logprobs[0]]).toEqual([null, null]);
      const expected = distributions(prompt);
      for (let at = 1; at < prompt.length; at++) {
        const row = expected[at - 1] as number[];
        expect(token_logprobs[at]).toBeCloseTo(row[prompt[at] as number] as number, 4);
        const top = Object.values(top_logprobs[at] as object).sort((a, b) => b - a);
        expect(top[0]).toBeCloseTo(Math.max(...row), 4);
        expect(top).toContain(token_logprobs[at]);
      }
      if (max_tokens === 1) expect(token_logprobs.at(-1)).toBeCloseTo(Math.max(...(expected.at(-1) as number[])), 4);
    }
  }
});

test("before penalties and temperature, whatever is sampled", async () => {
  const { client } = await openServer({ model: LLAMA });
  const prompt = [9, 20, 31, 9, 20];
  const sampling = { temperature: 3, repetition_penalty: 2, top_k: 0, seed: 2 };
  const body = { model: "llama", prompt, max_tokens: 6, ...sampling, logprobs: 0 };
  const { choices } = await client.completions.create(body as never);
  const { tokens, token_logprobs } = logprobsIn(choices[0]);
  const [row] = (await model.generate([await model.tokenizer.decode(prompt, { skipSpecialTokens: false })], {
    ...{ maxNewTokens: 6, temperature: 3, repetitionPenalty: 2, topK: 0, seed: 2 },
  })) as [GeneratedRow];
  expect(tokens.length).toBe(row.tokens.length);
  const expected = distributions([...prompt, ...row.tokens]);
  for (const [i, token] of row.tokens.entries())
    expect(token_logprobs[i]).toBeCloseTo(expected[prompt.length - 1 + i]?.[token] as number, 4);
});

test("of a conversation's answer, streamed and whole, with the bytes of its tokens", async () => {
  const { client } = await openServer({ model: withTemplate() });
  const messages = [{ role: "user" as const, content: "é東" }];
  const body = { model: "chatty", messages, max_tokens: 24, logprobs: true, top_logprobs: 2, temperature: 1, seed: 4 };
  const { choices, usage } = await client.chat.completions.create(body);
  const content = choices[0]?.logprobs?.content ?? [];
  expect(content.length).toBe(usage?.completion_tokens);
  const streamed = [];
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
    streamed.push(...(chunk.choices[0]?.logprobs?.content ?? []));
  expect(streamed).toEqual(content);
  for (const { top_logprobs } of content) expect(top_logprobs.length).toBe(2);
  const bytes = content.flatMap((token) => token.bytes ?? []);
  const text = new TextDecoder().decode(Uint8Array.from(bytes));
  expect(text.replace(/<end>|<other>|<start>/g, "")).toBe(choices[0]?.message.content);
});

test("the places of tokens in the text, in characters", async () => {
  const { client } = await openServer({ model: LLAMA });
  const prompt = "Hé 🙂 the";
  const body = { model: "llama", prompt, max_tokens: 0, echo: true, logprobs: 0 };
  const { choices } = await client.completions.create(body);
  const { tokens, text_offset } = logprobsIn(choices[0]);
  expect(choices[0]?.text).toBe(prompt);
  const characters = Array.from(prompt);
  for (const [i, token] of tokens.entries())
    if (!token.startsWith("bytes:")) expect(characters.slice(text_offset[i]).join("").startsWith(token)).toBe(true);
});
