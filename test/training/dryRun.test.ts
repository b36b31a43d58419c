import { expect, test } from "vitest";
import { type RunSettings, resolveRun } from "../../src/tasks/config/index.js";
import * as torch from "../../src/torch/index.js";
import { DryRun, tokensOfWork } from "../../src/training/estimates/dryRun.js";
import { BatchStream } from "../../src/training/loop/batches.js";
import { plansOf, prepare } from "../../src/training/run/prepare.js";
import { SMALL } from "../e2e/support.js";

async function phasesOf(settings: RunSettings) {
  const config = resolveRun({ ...SMALL, batchSize: 3, maxSteps: 6, ...settings });
  const prepared = await prepare({ config, saved: undefined, adapterFolder: undefined });
  return plansOf(prepared);
}

test.each<RunSettings>([
  { method: "lora" },
  { method: "lora", gradientAccumulation: 3, shuffle: false },
  { method: "bidora" },
  { method: "bidora", gradientAccumulation: 2, unrollSteps: 3 },
])("the rows that it predicts are the rows of the steps: %o", async (settings) => {
  for (const plan of await phasesOf(settings)) {
    const rule = plan.begin();
    const ahead = new DryRun(rule).upcoming();
    for (let step = 0; step < 6; step++) {
      const work = ahead.next().value;
      const { rows, tokens } = torch.scope(() => rule.step());
      expect(tokensOfWork(work)).toBe(tokens);
      expect(work.flat().reduce((sum: number, batch: readonly unknown[]) => sum + batch.length, 0)).toBe(rows);
    }
  }
});

test.each<RunSettings>([
  { method: "lora", gradientAccumulation: 2 },
  { method: "bidora", gradientAccumulation: 2, unrollSteps: 2 },
])("a dry-run step on the first step's rows gives the same result: %o", async (settings) => {
  const [[own], [other]] = [await phasesOf(settings), await phasesOf(settings)];
  const rehearsal = new DryRun(other!.begin());
  const rule = own!.begin();
  const work = rehearsal.upcoming().next().value;
  expect(torch.scope(() => rehearsal.step(work))).toEqual(torch.scope(() => rule.step()));
});

test("reading ahead does not change a stream's position", () => {
  const rows = Array.from({ length: 7 }, (_, i) => ({ inputIds: [i] })) as never[];
  const stream = new BatchStream(rows, { batchSize: 2, shuffle: true, dropLast: false, seed: 0 });
  const ahead = stream.upcoming();
  for (let i = 0; i < 9; i++) ahead.next();
  expect(stream.state).toEqual({ pass: 0, index: 0 });
});
