// LongRoPE switches to its second set of frequencies once a sequence is longer than the first context: the key-value cache is then
// recomputed, as transformers does for Phi-3.
import { join } from "node:path";
import { expect, test } from "vitest";
import { generateTokens } from "../../../src/models/generation/generateTokens.js";
import { GREEDY } from "../../../src/models/generation/generationSettings.js";
import { loadModel } from "../../../src/models/index.js";
import * as torch from "../../../src/torch/index.js";
import { GOLDEN } from "../../e2e/support.js";

/** A model whose first context has 48 tokens. */
const FOLDER = join(GOLDEN, "phi3", "lm");
const prompt = (length: number) => Array.from({ length }, (_, i) => ((7 * i + 5) % 60) + 4);

/** 20 greedy tokens after the prompt of 44, from transformers 5.24 in float32, with and without its cache. */
const CONTINUATION = [37, 29, 90, 98, 28, 80, 44, 6, 77, 70, 8, 33, 6, 33, 6, 33, 102, 9, 95, 61];

test("past the first context the cache does not change the continuation", async () => {
  const options = { head: { className: "ForCausalLM" }, outputs: 0, dtype: "float32" } as const;
  const { model } = await loadModel(FOLDER, { ...options, generator: new torch.Generator(0) });
  const prompts = [44, 50, 9].map((length) => ({ ids: prompt(length), maxNewTokens: 20, uniform: () => 0 }));
  const continuations = async (cache: boolean) => {
    const tokens: number[][] = prompts.map(() => []);
    for await (const next of generateTokens(model, prompts, { ...GREEDY, endTokens: [] }, { cache }))
      tokens[next.prompt]?.push(...next.tokens);
    return tokens;
  };
  const cached = await continuations(true);
  expect(cached[0]).toEqual(CONTINUATION);
  expect(cached).toEqual(await continuations(false));
});
