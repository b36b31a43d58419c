import { beforeEach, expect, test, vi } from "vitest";
import { rowsPerStep } from "../../src/studies/comparison/plan/budget.js";
import { estimatorsFor, type HypergradientName, type RunSettings } from "../../src/tasks/config/index.js";
import * as torch from "../../src/torch/index.js";
import type * as tangents from "../../src/torch/tangents/index.js";
import { planPhases } from "../../src/training/loop/plans.js";
import { openAdapted } from "../parity/support/adapted.js";
import { planSettings, setupOf } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";

const CASE = { checkpoint: "single", adapter: "adapters/dora-wide", rows: "train", maxLength: 20 };
/** 12 rows below and 8 above, all batches of 4. */
const ROWS = 20;
const SETTINGS = { method: "bidora", batchSize: 4, searchFraction: 0.6, learningRate: 0.01, maxSteps: 3 } as const;

const walked = vi.fn();
vi.mock("../../src/torch/tangents/index.js", async (original) => {
  const own = await original<typeof tangents>();
  const recordForward: typeof own.recordForward = (body, options) => {
    const { loss, gradients } = own.recordForward(body, options);
    return {
      loss,
      gradients(total, inputs) {
        const found = gradients(total, inputs);
        const { tape } = found;
        const gradientsAlong: typeof tape.gradientsAlong = (...along) => {
          walked();
          return tape.gradientsAlong(...along);
        };
        return { ...found, tape: { gradientsAlong, dispose: () => tape.dispose() } };
      },
    };
  };
  return { ...own, recordForward };
});

beforeEach(() => void walked.mockClear());

/** The rows that a search takes through the model, forward, and through records of passes, whose walks go forward and backward. */
async function rowsTaken(settings: RunSettings): Promise<number> {
  const rows = (await encodeRows("bert", CASE)).slice(0, ROWS);
  const setup = setupOf(await openAdapted("bert", CASE, { normGradient: "full" }), rows);
  const { model } = setup;
  const rule = planPhases(setup, planSettings({ ...SETTINGS, ...settings }))[0]!.begin();
  const forward = vi.spyOn(model, "forward");
  for (let i = 0; i < SETTINGS.maxSteps; i++) torch.scope(() => rule.step());
  const passed = forward.mock.calls.reduce(
    (sum, [batch]) => sum + (batch as unknown as { examples: unknown[] }).examples.length,
    0,
  );
  return passed + SETTINGS.batchSize * walked.mock.calls.length;
}

const many = [
  { hypergradientTerms: 2 },
  { unrollSteps: 2, gradientAccumulation: 2, regularizer: 0.1, hypergradientTerms: 4 },
];

/** Only the first iteration of `cg` is sure to be made: it ends at a direction of negative curvature. */
const surely = (hypergradient: HypergradientName) => (hypergradient === "cg" ? { hypergradientTerms: 1 } : {});

test.each(
  estimatorsFor("magnitudes").flatMap((name) =>
    many.map((more) => ({ hypergradient: name, ...more, ...surely(name) })),
  ),
)("a search takes the rows through the model that a budget counts: %j", async (settings) => {
  const { search } = rowsPerStep(planSettings({ ...SETTINGS, ...settings }), ROWS);
  expect(await rowsTaken(settings)).toBe(SETTINGS.maxSteps * search);
});

test("cg takes no more than a budget counts, also where it ends early", async () => {
  const settings = { hypergradient: "cg", hypergradientTerms: 4 } as const;
  const { search } = rowsPerStep(planSettings({ ...SETTINGS, ...settings }), ROWS);
  const taken = await rowsTaken(settings);
  expect(taken).toBeLessThan(SETTINGS.maxSteps * search);
  expect(taken).toBeGreaterThanOrEqual(
    SETTINGS.maxSteps * rowsPerStep(planSettings({ ...SETTINGS, ...settings, hypergradientTerms: 1 }), ROWS).search,
  );
});

test("an upper level with a file of its own: a budget counts the batches of both files", () => {
  // batches of 4: 10 rows make 3, of 10/3 on average; 6 rows make 2 of 3; 16 together make 4 of 4
  const settings = {
    ...SETTINGS,
    method: "lora",
    upper: "head",
    upperTrain: "u.jsonl",
    hypergradient: "exact",
  } as const;
  const { search, retrain } = rowsPerStep(planSettings(settings), 10, 6);
  expect(search).toBeCloseTo((1 + 1) * (10 / 3) + 3, 12);
  expect(retrain).toBe(4);
  const without = { ...settings, upperRowsInRetrain: false };
  expect(rowsPerStep(planSettings(without), 10, 6).retrain).toBeCloseTo(10 / 3, 12);
  // formulas need no second pass
  expect(rowsPerStep(planSettings({ ...settings, upper: "decay", weightDecay: 0.01 }), 10, 6).search).toBeCloseTo(
    10 / 3 + 3,
    12,
  );
});
