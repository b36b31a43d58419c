import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { exportModel } from "../../../src/app/commands/models/export.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { abortAfter, bidora, bytes, fresh, json, predicted, ROWS, run, SMALL } from "../support.js";

const ROW_FILE = join(ROWS, "train.jsonl");
const SCHEDULE: RunSettings = {
  ...{ method: "adalora", rank: 2, maxSteps: 6, gradientAccumulation: 2, dtype: "float32" },
  ...{ adaloraTinit: 1, adaloraTfinal: 2, adaloraDeltaT: 2 },
};

const ranksIn = (folder: string): number[] => {
  const pattern = json<{ rank_pattern: Record<string, boolean[]> | null }>(join(folder, "adapter_config.json"));
  return Object.values(pattern.rank_pattern ?? {}).map((kept) => kept.filter(Boolean).length);
};

describe("--method adalora", () => {
  test.each([1, 2, 3, 4, 5])("resumed after step %i of 6 has the same bits, settings among them", async (step) => {
    const whole = await run(SCHEDULE);
    const output = fresh();
    await run({ ...SCHEDULE, output }, abortAfter(step));
    await run({ ...SCHEDULE, output, resume: true });
    for (const file of ["adapter_model.safetensors", "adapter_config.json"])
      expect(bytes(output, file)).toBe(bytes(whole.output, file));
    expect(ranksIn(output).reduce((sum, rank) => sum + rank, 0)).toBe(2 * 6);
  });

  test("of a run of one step has the ranks that were asked for", async () => {
    const { output } = await run({ ...SCHEDULE, maxSteps: 1 });
    expect(ranksIn(output).reduce((sum, rank) => sum + rank, 0)).toBe(2 * 6);
  });

  test("as a LoRA says the same", async () => {
    const { output } = await run({ ...SCHEDULE, weightDecay: 0, learningRate: 0.05 });
    const lora = fresh("lora");
    const settings = {
      model: undefined,
      revision: undefined,
      adapter: output,
      output: lora,
      overwrite: false,
    } as const;
    await exportModel({ ...settings, to: "peft-lora", rank: undefined, outtype: undefined });
    const [before, after] = await Promise.all(
      [output, lora].map((adapter) => predicted({ model: SMALL.model, adapter, input: ROW_FILE })),
    );
    const flat = (rows: typeof before) => rows!.flatMap(({ logits }) => logits);
    for (const [i, value] of flat(before).entries()) expect(flat(after)[i]).toBeCloseTo(value, 4);
  });

  test("begins with no fewer ranks than it is to end with", async () => {
    const argv = ["--model", SMALL.model, "--train", SMALL.train, "--method", "adalora", "--adalora-init-rank", "4"];
    const { status, stderr } = await bidora("finetune", ...argv, "--rank", "5", "--output", fresh());
    expect([status, stderr]).toEqual([2, expect.stringContaining("--adalora-init-rank 4 is below --rank 5")]);
  });
});
