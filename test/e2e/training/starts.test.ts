// Runs with --init-lora-weights, and what is done with their adapters.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { predict } from "../../../src/app/commands/models/predict.js";
import { readJsonObject } from "../../../src/base/records/json.js";
import { readAdapter } from "../../../src/models/adapters/index.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { abortAfter, bytes, fresh, ROWS, run, SMALL } from "../support.js";

const INPUT = join(ROWS, "train.jsonl");
const settings = { ...SMALL, dtype: "float32", rank: 2, learningRate: 5e-3, maxSteps: 3 } satisfies RunSettings;
const METHODS = ["lora", "dora", "bidora"] as const;
/** Those that take a part out of the base and keep their name in the file. */
const PARTS = ["pissa", "olora"] as const;
/** Those that are computed from training rows. */
const BY_ROWS = ["eva", "lora-ga"] as const;

async function scores(call: Parameters<typeof predict>[0], notes: string[] = []): Promise<number[]> {
  const found = await predict(
    { input: INPUT, dtype: "float32", limit: 6, ...call },
    { onNote: (note) => notes.push(note) },
  );
  return found.flatMap(({ logits }) => logits as number[]);
}

const far = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

describe.each(METHODS)("%s", (method) => {
  test.each([...PARTS, "orthogonal", "gaussian", ...BY_ROWS] as const)(
    "with %s starts from the model's outputs",
    async (start) => {
      const at = async (initLoraWeights: typeof start | "default") => {
        const still = { ...settings, method, maxSteps: 1, learningRate: 0, initLoraWeights } as RunSettings;
        return scores({
          adapter: (await run({ ...still, ...(method === "bidora" && { upperLearningRate: 0 }) })).output,
        });
      };
      expect(far(await at(start), await at("default"))).toBeLessThan(2e-5);
    },
  );

  test.each([...PARTS, ...BY_ROWS])("with %s is resumed with the same bits", async (initLoraWeights) => {
    const one = { ...settings, method, initLoraWeights } as const;
    const whole = await run(one);
    const output = fresh();
    await run({ ...one, output }, abortAfter(2));
    await run({ ...one, output, resume: true });
    expect(bytes(output)).toBe(bytes(whole.output));
    expect(bytes((await run({ ...settings, method })).output)).not.toBe(bytes(output));
  });

  test.each(PARTS)("an adapter of %s is merged, exported and trained on", async (initLoraWeights) => {
    const { output: adapter } = await run({ ...settings, method, initLoraWeights });
    expect(readJsonObject(join(adapter, "adapter_config.json"))).toMatchObject({
      init_lora_weights: initLoraWeights,
      r: 2,
    });
    const notes: string[] = [];
    const own = await scores({ adapter }, notes);
    expect(notes).toEqual([]);
    const { path } = await merge({ adapter, output: fresh("merged") });
    expect(far(await scores({ model: path }), own)).toBeLessThan(2e-5);
    const plain = await exportModel({ adapter, to: "peft-lora", output: fresh("peft") });
    const read = await readAdapter(plain.path);
    expect(read.config).toMatchObject({ method: "lora", rank: 4, initLoraWeights: "default" });
    if (method === "lora") expect(far(await scores({ adapter: plain.path }), own)).toBeLessThan(2e-5);
    const next = await run({
      ...SMALL,
      dtype: "float32",
      maxSteps: 1,
      learningRate: 0,
      warmupRatio: 0,
      adapter,
    } as RunSettings);
    expect(far(await scores({ adapter: next.output }), own)).toBeLessThan(2e-5);
    const again = readJsonObject(join(next.output, "adapter_config.json"));
    expect(again).toMatchObject({ init_lora_weights: initLoraWeights, r: 2 });
  });
});

describe.each(BY_ROWS)("%s", (initLoraWeights) => {
  const one = { ...settings, method: "lora", initLoraWeights, initBatches: 2 } as const;

  test.each(METHODS)("of %s is used, merged and exported as any other adapter", async (method) => {
    const { output: adapter, notes } = await run({ ...one, method });
    expect(notes).toEqual([
      expect.stringMatching(`^--init-lora-weights ${initLoraWeights} starts from .* first 2 training batches`),
    ]);
    const file = readJsonObject(join(adapter, "adapter_config.json"));
    expect(file.init_lora_weights).toBe(initLoraWeights === "eva" ? "eva" : true);
    expect(file.r).toBe(initLoraWeights === "eva" ? 2 : 4);
    expect(file.lora_alpha).toBe(initLoraWeights === "eva" ? 16 : 32);
    const own = await scores({ adapter });
    const { path } = await merge({ adapter, output: fresh("merged") });
    expect(far(await scores({ model: path }), own)).toBeLessThan(2e-5);
    const plain = await exportModel({ adapter, to: "peft-lora", rank: 36, output: fresh("peft") });
    expect(far(await scores({ adapter: plain.path }), own)).toBeLessThan(1e-4);
    const next = { ...SMALL, dtype: "float32", maxSteps: 1, learningRate: 0, warmupRatio: 0, adapter } as const;
    expect(far(await scores({ adapter: (await run(next)).output }), own)).toBeLessThan(2e-5);
  });

  test("depends on the rows, their order and their number", async () => {
    const start = { ...one, maxSteps: 1, learningRate: 0, targetModules: ["dense"] as never };
    const of = async (more: RunSettings) => bytes((await run({ ...start, ...more })).output);
    const first = await of({});
    expect(await of({})).toBe(first);
    for (const more of [{ initBatches: 3 }, { dataSeed: 5 }, { batchSize: 3 }]) expect(await of(more)).not.toBe(first);
    expect(await of({ initBatches: 2 })).toBe(first);
  });
});

test("EVA's ranks sum to those of equal ranks, in the head too, whose layers see a token of each row", async () => {
  const eva = { ...settings, method: "dora", initLoraWeights: "eva", rank: 3, maxSteps: 2 } as const;
  const { output } = await run({ ...eva, targetModules: "all-linear" as never });
  const { tensors } = await readAdapter(output);
  const ranks = [...tensors].flatMap(([name, { shape }]) => (name.endsWith("lora_A.weight") ? [shape[0]!] : []));
  const layers = 3 * 6 + 1;
  expect(ranks.reduce((sum, rank) => sum + rank, 0)).toBe(3 * layers);
  expect([Math.min(...ranks) < 3, Math.max(...ranks) > 3, Math.max(...ranks) <= 6]).toEqual([true, true, true]);
  const file = readJsonObject(join(output, "adapter_config.json"));
  const [patterns, alphas] = [file.rank_pattern, file.alpha_pattern].map((one) => one as Record<string, number>);
  expect(Object.keys(patterns!).length).toBe(ranks.filter((rank) => rank !== 3).length);
  for (const [path, rank] of Object.entries(patterns!)) expect(alphas![path]).toBeCloseTo((16 * rank) / 3, 12);
  expect((await scores({ adapter: output })).length).toBeGreaterThan(0);
});

test("BiDoRA's retraining starts again from the same start", async () => {
  const one = { ...settings, method: "bidora", retrainSteps: 1, retrainLearningRate: 0 } as const;
  const read = async (initLoraWeights: "pissa" | "default", more: RunSettings = {}) =>
    (await readAdapter((await run({ ...one, initLoraWeights, ...more })).output)).tensors;
  const [start, end] = [
    await read("pissa", { learningRate: 0, upperLearningRate: 0 }),
    await read("pissa", { learningRate: 1e-2 }),
  ];
  const isMoved = (name: string) => String(start.get(name)!.toArray()) !== String(end.get(name)!.toArray());
  const moved = [...start.keys()].filter(isMoved);
  expect(moved.length).toBeGreaterThan(0);
  for (const name of moved) expect(name).toContain("lora_magnitude_vector");
});

test.each([
  { given: { initLoraWeights: "pissa", baseDtype: "nf4" }, why: "without a packed --base-dtype" },
  { given: { initLoraWeights: "olora", rank: 99 }, why: "take a rank of at most 36" },
  { given: { initLoraWeights: "orthogonal", rank: 3 }, why: "needs an even rank, not 3" },
  { given: { initLoraWeights: "pissa", targetModules: ["word_embeddings"] }, why: "exclude that module" },
  { given: { initLoraWeights: "pissa", method: "vera" }, why: "applies only with --method" },
  {
    given: { initLoraWeights: "pissa", upper: "scales" },
    why: "--upper scales does not go with a start that takes",
  },
  { given: { initLoraWeights: "lora-ga", baseDtype: "int8" }, why: "without a packed --base-dtype" },
  { given: { initLoraWeights: "lora-ga", rank: 19 }, why: "take a rank of at most 18" },
  { given: { initLoraWeights: "lora-ga", upper: "scales" }, why: "--upper scales does not go with a start" },
  { given: { initLoraWeights: "pissa", initBatches: 3 }, why: "applies only with --init-lora-weights eva or lora-ga" },
  { given: { initBatches: 3 }, why: "applies only with --init-lora-weights eva or lora-ga" },
  { given: { loraplusRatio: 2, upper: "lora-b" }, why: "applies only with --method" },
  { given: { loraplusRatio: 2, method: "full" }, why: "applies only with --method" },
  { given: { loraplusRatio: 0 }, why: "loraplusRatio" },
  { given: { headLearningRate: 0.1, upper: "head" }, why: "applies only without --upper head" },
] as const)("refused: %o", async ({ given, why }) => {
  await expect(run({ ...settings, method: "lora", ...given } as RunSettings)).rejects.toThrow(why);
});

test("a start is refused beside an adapter to start from, which has its own", async () => {
  const adapter = (await run({ ...settings, method: "lora", maxSteps: 1 })).output;
  const next = { ...SMALL, adapter, maxSteps: 1 } as RunSettings;
  await expect(run({ ...next, initBatches: 2 })).rejects.toThrow("and without --adapter");
  await expect(run({ ...next, initLoraWeights: "pissa" })).rejects.toThrow(
    "--init-lora-weights pissa contradicts the adapter to start from, which has default",
  );
});
