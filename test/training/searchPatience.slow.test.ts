import { beforeAll, describe, expect, test } from "vitest";
import type { StepEvent } from "../../src/base/records/events.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import type { EncodedExample } from "../../src/tasks/index.js";
import { Ending } from "../../src/torch/distributed/ranks.js";
import * as torch from "../../src/torch/index.js";
import { byUpperLoss, EarlyStopping } from "../../src/training/loop/earlyStopping.js";
import { runLoop } from "../../src/training/loop/loop.js";
import type { RunObserver } from "../../src/training/loop/observer.js";
import { planPhases } from "../../src/training/loop/plans.js";
import { PassMean } from "../../src/training/steps/bilevelRule.js";
import { restoreSnapshot, takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { openAdapted } from "../parity/support/adapted.js";
import { ofRole } from "../parity/support/bilevel.js";
import { planSettings, setupOf } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";

const CASE = { checkpoint: "single", adapter: "adapters/dora-wide", rows: "train", maxLength: 20 };
let rows: EncodedExample[];
beforeAll(async () => {
  rows = await encodeRows("bert", CASE);
});

/** The 22 rows: 15 below, 7 above, in batches of 3, 3 and 1. */
const SETTINGS = {
  batchSize: 3,
  searchFraction: 0.7,
  learningRate: 0.05,
  schedule: "constant",
  upperLearningRate: 0.05,
  maxSteps: 30,
  retrainSteps: 2,
} as const;
const WEIGHTS = [3, 3, 1];

async function open(settings: RunSettings) {
  const setup = setupOf(await openAdapted("bert", CASE, { normGradient: "full" }), rows);
  const { adapted } = setup;
  const resolved = planSettings({ method: "bidora", ...SETTINGS, ...settings });
  return { adapted, resolved, plans: planPhases(setup, resolved) };
}

/** A whole run; by step its report and the values of what is trained, before early stopping puts any back. */
async function train(settings: RunSettings) {
  const { adapted, resolved, plans } = await open(settings);
  const values = (role: "direction" | "magnitude") =>
    ofRole(adapted, role).map(({ name, tensor }) => [name, [...tensor.toArray()]]);
  const steps: StepEvent[] = [];
  const states: { readonly direction: unknown; readonly magnitude: unknown }[] = [];
  const log: RunObserver = {
    on(event) {
      if (event.event !== "step") return;
      steps.push(event);
      states.push({ direction: values("direction"), magnitude: values("magnitude") });
    },
  };
  const { searchPatience } = resolved;
  const criteria = searchPatience === undefined ? {} : { search: byUpperLoss(searchPatience) };
  const stopping = new EarlyStopping({ criteria, trained: adapted.trained });
  await runLoop({
    plans,
    observers: [log, stopping],
    ending: new Ending(torch.ALONE, new AbortController().signal),
  });
  return { plans, steps, states };
}

/** Of a search without patience, from its upper losses alone: where it would end, and at which step the best pass did. */
function byHand(losses: readonly number[], patience: number): { ended: number; best: number } {
  const passes = Array.from(
    { length: Math.floor(losses.length / 3) },
    (_, pass) => WEIGHTS.reduce((sum, weight, i) => sum + weight * losses[3 * pass + i]!, 0) / 7,
  );
  let best = 0;
  for (const [pass, mean] of passes.entries()) {
    if (mean < passes[best]!) best = pass;
    if (pass - best === patience) return { ended: 3 * (pass + 1), best: 3 * (best + 1) };
  }
  return { ended: losses.length, best: 3 * (best + 1) };
}

describe("the search ends when the mean upper loss of a pass has not improved for this many passes", () => {
  test.each([1, 2, 3])("%d", async (searchPatience) => {
    const plain = await train({});
    const losses = plain.steps.flatMap(({ upperLoss }) => upperLoss ?? []);
    expect(losses).toHaveLength(30);
    const { ended, best } = byHand(losses, searchPatience);

    const { plans, steps, states } = await train({ searchPatience });
    expect(plans.map(({ steps: planned }) => planned)).toEqual([30, 2]);
    const search = steps.filter(({ phase }) => phase === "search");
    expect(search.map(({ upperLoss }) => upperLoss)).toEqual(losses.slice(0, ended));
    expect(ended).toBeLessThan(30);
    expect(best).toBeLessThan(ended);
    expect(steps.slice(ended).map(({ phase, step }) => [phase, step])).toEqual([
      ["retrain", ended + 1],
      ["retrain", ended + 2],
    ]);
    for (const { magnitude } of states.slice(ended)) expect(magnitude).toEqual(states[best - 1]!.magnitude);
    expect(states[best - 1]!.magnitude).not.toEqual(states[ended - 1]!.magnitude);
  });

  test("and a warm start uses the directions of the best pass too", async () => {
    const settings = { searchPatience: 1, warmStart: true, retrainLearningRate: 0 } as const;
    const { steps, states } = await train(settings);
    const ended = steps.findIndex(({ phase }) => phase === "retrain");
    const losses = (await train({})).steps.flatMap(({ upperLoss }) => upperLoss ?? []);
    const { best } = byHand(losses, 1);
    // A rate of zero leaves them as they are.
    expect(states[ended]).toEqual(states[best - 1]);
  });

  test("the planned end also restores the best pass", async () => {
    const losses = (await train({})).steps.flatMap(({ upperLoss }) => upperLoss ?? []);
    const { ended, best } = byHand(losses, 1);
    const { steps, states } = await train({ searchPatience: 100, maxSteps: ended });
    expect(steps).toHaveLength(ended + 2);
    expect(states.at(-1)!.magnitude).toEqual(states[best - 1]!.magnitude);
    expect(states.at(-1)!.magnitude).not.toEqual(states[ended - 1]!.magnitude);
  });

  test("a search shorter than a pass keeps its result", async () => {
    const { steps, states } = await train({ searchPatience: 1, maxSteps: 2 });
    expect(steps.map(({ upperPassLoss }) => upperPassLoss)).toEqual([undefined, undefined, undefined, undefined]);
    expect(states[3]!.magnitude).toEqual(states[1]!.magnitude);
  });
});

test("the step with a pass's last batch reports its loss, weighted by rows, and only if enabled", async () => {
  const { steps } = await train({ searchPatience: 100, maxSteps: 6 });
  const reported = steps.slice(0, 6).map(({ upperPassLoss }) => upperPassLoss);
  expect(reported.map((value) => value === undefined)).toEqual([true, true, false, true, true, false]);
  const mean = WEIGHTS.reduce((sum, weight, i) => sum + weight * steps[i]!.upperLoss!, 0) / 7;
  expect(reported[2]).toBeCloseTo(mean, 12);
  expect((await train({ maxSteps: 6 })).steps.every((step) => !("upperPassLoss" in step))).toBe(true);
});

test("a step with batches of two passes counts in the pass that it ends", async () => {
  const { steps } = await train({ searchPatience: 100, maxSteps: 6, gradientAccumulation: 2 });
  const reported = steps.slice(0, 6).map(({ upperPassLoss }) => upperPassLoss);
  expect(reported.map((value) => value !== undefined)).toEqual([false, true, true, false, true, true]);
  // Batches of 3 and 3, then of 1 and 3: the pass has 10 rows.
  expect(reported[1]).toBeCloseTo((6 * steps[0]!.upperLoss! + 4 * steps[1]!.upperLoss!) / 10, 12);
  expect(reported[2]).toBeCloseTo(steps[2]!.upperLoss!, 12);
});

test("a pass without a loss reports none, and the next pass starts from zero", () => {
  const pass = new PassMean();
  expect([pass.add(0, 0, false), pass.add(0, 0, true)]).toEqual([undefined, undefined]);
  expect([pass.add(4, 1, false), pass.add(1, 2, true), pass.add(7, 1, true)]).toEqual([undefined, 2, 7]);
});

test("a resumed run reports the mean over a whole pass that was interrupted", async () => {
  const settings = { searchPatience: 100, maxSteps: 6 };
  const expected = (await train(settings)).steps[5]!.upperPassLoss;
  const [left, resumed] = [await open(settings), await open(settings)];
  const [rule, other] = [left, resumed].map(({ plans }) => plans[0]!.begin());
  for (let i = 0; i < 4; i++) torch.scope(() => rule!.step());
  const { tensors, values } = rule!.save();
  other!.restore({ tensors, values: JSON.parse(JSON.stringify(values)) });
  restoreSnapshot(resumed.adapted.trained, takeSnapshot(left.adapted.trained));
  expect(torch.scope(() => other!.step()).upperPassLoss).toBeUndefined();
  expect(torch.scope(() => other!.step()).upperPassLoss).toBe(expected);
});
