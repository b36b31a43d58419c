// A key-value cache in int8: a server answers as generate does with one, and has room for more tokens.
import { expect, test, vi } from "vitest";
import { KeyValueCache } from "../../../src/models/nn/index.js";
import { bidora } from "../../e2e/support.js";
import { LLAMA, loaded, openServer } from "./openServer.js";

const PROMPTS = ["Hello there", "a", "one two three one two three one two", "東京 🙂"];

test("with --cache-dtype int8 the texts are generate's, also with a draft", async () => {
  const dtypes = vi.spyOn(KeyValueCache.prototype, "bytesPerToken", "get");
  const model = await loaded(LLAMA);
  const expected = await model.generate(PROMPTS, { maxNewTokens: 20, cacheDtype: "int8" });
  for (const draft of [undefined, "ngram"]) {
    const { client } = await openServer({ model: LLAMA, cacheDtype: "int8", draft });
    const { choices } = await client.completions.create({ model: "llama", prompt: PROMPTS, max_tokens: 20 });
    expect(choices.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
  }
  const int8 = dtypes.mock.results[0]?.value as number;
  await openServer({ model: LLAMA });
  const float32 = dtypes.mock.results.at(-1)?.value as number;
  expect(int8).toBeLessThan(0.5 * float32);
});

test("generate takes it, and refuses another dtype by name", async () => {
  const flags = ["--model", LLAMA, "--dtype", "float32", "--prompt", "abc", "--max-new-tokens", "4", "--json"];
  const { status, stdout } = await bidora("generate", ...flags, "--cache-dtype", "int8");
  expect(status).toBe(0);
  expect(JSON.parse(stdout).tokens.length).toBeGreaterThan(0);
  const refused = await bidora("generate", ...flags, "--cache-dtype", "int4");
  expect(refused.status).toBe(2);
  expect(refused.stderr).toMatch(/--cache-dtype takes auto or int8; got "int4"/);
});
