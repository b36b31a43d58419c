// Runs with MiSS, DeLoRA and HiRA, from the flags to the files.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { abortAfter, bidora, bytes, evaluated, fresh, json, predicted, ROWS, run, SMALL } from "../support.js";

const VALIDATION = join(ROWS, "pairs.jsonl");
const GIVEN = { learningRate: 0.02, warmupRatio: 0, dtype: "float32", rank: 5, validation: VALIDATION } as const;
const METHODS = {
  miss: { method: "miss" },
  "miss with fewer columns": { method: "miss", missMiniRank: 4 },
  delora: { method: "delora", deloraLambda: 4, rankPattern: { value: 2 } },
  hira: { method: "hira", targetModules: ["word_embeddings", "query"] },
} as const;

describe.each(Object.keys(METHODS) as (keyof typeof METHODS)[])("%s", (name) => {
  const settings = { ...GIVEN, ...METHODS[name] };

  test("its adapter is used, merged and exported with the same outputs", async () => {
    const { output: adapter, metrics } = await run(settings);
    const [model, input] = [SMALL.model, VALIDATION];
    expect((await evaluated({ model, adapter, data: input })).loss).toBeCloseTo(metrics!.loss!, 5);
    const own = (await predicted({ model, adapter, input })).map(({ logits }) => logits);
    const [merged, exported] = [fresh("merged"), fresh("lora")];
    const of = ["--model", model, "--adapter", adapter];
    expect(await bidora("merge", ...of, "--output", merged)).toMatchObject({ status: 0 });
    const to = ["--to", "peft-lora", ...(name === "hira" ? ["--rank", "36"] : []), "--output", exported];
    expect(await bidora("export", ...of, ...to)).toMatchObject({ status: 0 });
    for (const other of [{ model: merged }, { model, adapter: exported }]) {
      const logits = (await predicted({ ...other, input })).map((row) => row.logits);
      const worst = logits.flatMap((row, i) => row.map((value, j) => Math.abs(value - own[i]![j]!)));
      expect(Math.max(...worst)).toBeLessThan(1e-5);
    }
  });

  test("resumes with the same bits", async () => {
    const more = { ...settings, dropout: 0.2, saveEvery: 1 };
    const whole = await run(more);
    const output = fresh();
    await run({ ...more, output }, abortAfter(2));
    await run({ ...more, output, resume: true });
    expect(bytes(output)).toBe(bytes(whole.output));
  });

  test("a run that starts from its adapter has the adapter's settings", async () => {
    const { output: adapter } = await run({ ...settings, maxSteps: 1 });
    const { output } = await run({ ...SMALL, adapter, maxSteps: 1, dropout: 0.1 });
    const [before, after] = [adapter, output].map((folder) =>
      json<Record<string, unknown>>(join(folder, "adapter_config.json")),
    );
    const key = Object.keys(before!).find((one) => one.endsWith("_dropout"))!;
    expect(after).toEqual({ ...before, [key]: 0.1 });
  });
});

test("DeLoRA's λ as the upper level", async () => {
  const upper = { upper: "delora", upperLearningRate: 0.5, maxSteps: 3, retrainSteps: 2 } as const;
  const { output } = await run({ ...GIVEN, ...METHODS.delora, ...upper });
  expect(json<{ upper: { group: string } }>(join(output, "bidora.json")).upper.group).toBe("delora");
});

test.each([
  [{ method: "miss", alpha: 4 }, /^No effect in this run: --alpha \(applies only with --method /],
  [{ method: "miss", rankPattern: { query: 3 } }, /^No effect in this run: --rank-pattern/],
  [{ method: "hira", rankPattern: { query: 3 } }, /^No effect in this run: --rank-pattern/],
  [
    { method: "hira", deloraLambda: 3 },
    /^No effect in this run: --delora-lambda \(applies only with --method delora\)/,
  ],
  [{ method: "delora", rslora: true }, /^No effect in this run: --rslora/],
  [{ method: "lora", missMiniRank: 4 }, /^No effect in this run: --miss-mini-rank/],
  [{ method: "hira", upper: "delora" }, /^--upper delora does not go with --method hira/],
] as const)("%o is refused", async (given, message) => {
  await expect(run({ ...SMALL, ...given })).rejects.toThrow(message);
});
