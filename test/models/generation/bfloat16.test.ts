// Generation in bfloat16: logits as accurate as transformers', and the same tokens where rounding does not decide.
import { join } from "node:path";
import { expect, test } from "vitest";
import { generateTokens } from "../../../src/models/generation/generateTokens.js";
import { GREEDY } from "../../../src/models/generation/generationSettings.js";
import { SequenceBatch } from "../../../src/models/generation/index.js";
import { loadModel } from "../../../src/models/index.js";
import * as torch from "../../../src/torch/index.js";
import { GOLDEN, get, readTensors } from "../../parity/goldenFiles.js";

/** Relative to the largest logit: four roundings to bfloat16's 8 bits. */
const BOUND = 2 ** -6;
const PROMPTS = 6;

test.each([
  ["llama", "llama/lm"],
  ["gpt2", "gpt2/lm"],
])("%s", async (name, folder) => {
  const golden = readTensors(join(GOLDEN, `generation/bfloat16-${name}.safetensors`));
  const options = { head: { className: "ForCausalLM" }, outputs: 0, dtype: "bfloat16" } as const;
  const { model } = await loadModel(join(GOLDEN, folder), { ...options, generator: new torch.Generator(0) });
  const worst = { ours: 0, theirs: 0, apart: 0 };
  let same = 0;
  for (let number = 0; number < PROMPTS; number++) {
    const list = (what: string) => [...get(golden, `${number}.${what}`).toArray()];
    const [ids, tokens, theirs, precise] = [list("prompt"), list("tokens"), list("logits"), list("precise")];
    const width = get(golden, `${number}.precise`).shape[1] as number;
    const largest = Math.max(...precise.map(Math.abs));
    const continuations = new SequenceBatch(model, 1);
    let isDecided = true;
    const found: number[] = [];
    for await (const { tokens: next } of generateTokens(
      model,
      [{ ids, maxNewTokens: tokens.length, uniform: () => 0 }],
      GREEDY,
    ))
      found.push(...next);
    for (const [i, token] of tokens.entries()) {
      const [logits] = continuations.next([[...ids, ...tokens.slice(0, i)]]) as [Float32Array];
      const at = (ids.length + i - 1) * width;
      const truth = precise.slice(at, at + width);
      for (let k = 0; k < width; k++) {
        const [own, other, exact] = [logits[k]!, theirs[at + k]!, truth[k]!];
        worst.ours = Math.max(worst.ours, Math.abs(own - exact) / largest);
        worst.theirs = Math.max(worst.theirs, Math.abs(other - exact) / largest);
        worst.apart = Math.max(worst.apart, Math.abs(own - other) / largest);
      }
      const [first, second] = [...truth].sort((a, b) => b - a) as [number, number];
      isDecided &&= first - second > 2 * BOUND * largest;
      if (!isDecided) continue;
      expect(found[i], `${number}: token ${i}`).toBe(token);
      same++;
    }
    continuations.dispose();
  }
  for (const error of Object.values(worst)) expect(error).toBeLessThan(BOUND);
  expect(worst.ours).toBeLessThan(1.5 * worst.theirs);
  expect(same).toBeGreaterThan(PROMPTS);
});
