// A key-value cache in int8: nearly the same logits, whatever the model, and the same texts however they are computed.
import { join } from "node:path";
import { expect, test } from "vitest";
import { uniforms } from "../../../src/base/seededGenerator.js";
import { type GenerateOptions, generateTokens } from "../../../src/models/generation/generateTokens.js";
import { GREEDY } from "../../../src/models/generation/generationSettings.js";
import { ngramDraft, SequenceBatch } from "../../../src/models/generation/index.js";
import { loadModel, type TaskModel } from "../../../src/models/index.js";
import * as torch from "../../../src/torch/index.js";
import { withFormulas } from "../../../src/torch/operators/choose.js";
import { GOLDEN } from "../../e2e/support.js";

async function modelIn(folder: string, dtype: torch.DType = "float32"): Promise<TaskModel> {
  const options = { head: { className: "ForCausalLM" }, outputs: 0, dtype } as const;
  return (await loadModel(join(GOLDEN, folder), { ...options, generator: new torch.Generator(0) })).model;
}

const PROMPTS = [
  [5],
  [9, 17, 4, 30, 22],
  Array.from({ length: 20 }, (_, i) => ((7 * i + 5) % 60) + 4),
  [40, 8, 61, 40, 8, 61],
];

async function texts(model: TaskModel, options: GenerateOptions, prompts = PROMPTS): Promise<number[][]> {
  const tokens = prompts.map((): number[] => []);
  const given = prompts.map((ids, i) => ({ ids, maxNewTokens: 16, uniform: uniforms(2, i) }));
  for await (const next of generateTokens(model, given, GREEDY, { cacheDtype: "int8", ...options }))
    tokens[next.prompt]?.push(...next.tokens);
  return tokens;
}

/** Logits after each token of a sequence, computed in several passes. */
function logitsOf(model: TaskModel, cacheDtype: "auto" | "int8", ids: readonly number[]): Float32Array[] {
  const batch = new SequenceBatch(model, 1, cacheDtype);
  const found = [3, 4, 9, ids.length].flatMap((end, i, ends) => {
    const wanted = end - (ends[i - 1] ?? 0);
    return batch.logitsAfter([{ ids: ids.slice(0, end), wanted }])[0] as Float32Array[];
  });
  batch.dispose();
  return found.map((row) => row.slice());
}

const FOLDERS = ["llama/lm", "gpt2/lm", "mistral/lm", "gemma3_text/lm", "qwen3/lm", "phi3/lm", "smollm3/lm"];

test.each(FOLDERS)("%s: logits change by little, and do change", async (folder) => {
  for (const dtype of ["float32", "bfloat16", "float16"] as const) {
    const model = await modelIn(folder, dtype);
    const ids = PROMPTS[2] as number[];
    const [exact, rounded] = [logitsOf(model, "auto", ids), logitsOf(model, "int8", ids)];
    const spread = Math.max(...exact.map((row) => Math.max(...row) - Math.min(...row)));
    const apart = exact.map((row, i) => Math.max(...row.map((x, k) => Math.abs(x - (rounded[i]?.[k] as number)))));
    expect(Math.max(...apart)).toBeLessThan(0.04 * spread);
    expect(Math.max(...apart)).toBeGreaterThan(0);
    model.dispose();
  }
});

test.each(["llama/lm", "gpt2/lm"])(
  "%s: the same texts alone, in a batch, with a draft, and by formulas",
  async (folder) => {
    const model = await modelIn(folder);
    const together = await texts(model, {});
    for (const [i, prompt] of PROMPTS.entries()) expect(await texts(model, {}, [prompt])).toEqual([together[i]]);
    expect(await texts(model, { draft: ngramDraft() })).toEqual(together);
    const ids = PROMPTS[2] as number[];
    const [kernel, formula] = [logitsOf(model, "int8", ids), withFormulas(() => logitsOf(model, "int8", ids))];
    for (const [i, row] of kernel.entries())
      for (const [k, x] of row.entries()) expect(formula[i]?.[k]).toBeCloseTo(x, 2);
    model.dispose();
  },
);

test("keys and values that are all 0 stay 0", async () => {
  const model = await modelIn("gpt2/lm");
  for (const [path, parameter] of model.namedParameters())
    if (path.endsWith("c_attn.weight") || path.endsWith("c_attn.bias"))
      torch.noGrad(() => torch.mulScalar_(parameter.tensor, 0));
  const ids = PROMPTS[1] as number[];
  const [exact, rounded] = [logitsOf(model, "auto", ids), logitsOf(model, "int8", ids)];
  expect(rounded).toEqual(exact);
  model.dispose();
});

test("a value that is not finite is an error, not a token", async () => {
  const model = await modelIn("llama/lm");
  for (const [path, parameter] of model.namedParameters())
    if (path.endsWith("0.self_attn.v_proj.weight"))
      torch.noGrad(() => torch.mulScalar_(parameter.tensor, Number.POSITIVE_INFINITY));
  await expect(texts(model, {})).rejects.toThrow("The model's output is not a finite number; try --dtype float32.");
  model.dispose();
});
