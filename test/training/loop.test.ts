import { describe, expect, test } from "vitest";
import type { Phase } from "../../src/base/records/events.js";
import { Ending } from "../../src/torch/distributed/ranks.js";
import { ALONE } from "../../src/torch/index.js";
import { type PhasePlan, type ResumePoint, runLoop } from "../../src/training/loop/loop.js";
import type { RunObserver } from "../../src/training/loop/observer.js";
import type { StepRule } from "../../src/training/steps/stepRule.js";

/** Plans that write down what happens. */
function watched(lengths: readonly (readonly [Phase, number])[], failsAt?: number) {
  const calls: string[] = [];
  let taken = 0;
  const plans = lengths.map(
    ([phase, steps]): PhasePlan => ({
      phase,
      steps,
      begin: () => {
        calls.push(`begin ${phase}`);
        const step = () => {
          taken += 1;
          if (taken === failsAt) throw new Error("it broke");
          return { loss: 0, learningRate: 0, rows: 1, tokens: 1 };
        };
        return { phase, steps, step } as unknown as StepRule;
      },
    }),
  );
  const log: RunObserver = {
    on(event, run) {
      if (event.event === "step")
        calls.push(`${event.phase} ${event.step} ${run?.phaseStep}${run?.isPhaseEnd ? "!" : ""}`);
    },
  };
  return { calls, plans, log };
}

const never = new AbortController().signal;
const ending = (signal: AbortSignal) => new Ending(ALONE, signal);
const two = [
  ["search", 2],
  ["retrain", 3],
] as const;

test("phases run in order, and steps count through the run", async () => {
  const { calls, plans, log } = watched(two);
  expect(await runLoop({ plans, observers: [log], ending: ending(never) })).toBe("done");
  expect(calls).toEqual([
    "begin search",
    "search 1 1",
    "search 2 2!",
    "begin retrain",
    "retrain 3 1",
    "retrain 4 2",
    "retrain 5 3!",
  ]);
});

describe("a resumed run", () => {
  const from = (point: Partial<ResumePoint>, calls: string[]): ResumePoint => ({
    phase: "search",
    step: 1,
    phaseStep: 1,
    isPhaseOver: false,
    resume: () => calls.push("resume"),
    ...point,
  });

  test("skips finished phases and steps", async () => {
    const { calls, plans, log } = watched(two);
    await runLoop({
      plans,
      observers: [log],
      ending: ending(never),
      from: from({ phase: "retrain", step: 4, phaseStep: 2 }, calls),
    });
    expect(calls).toEqual(["begin retrain", "resume", "retrain 5 3!"]);
  });

  test("in its first phase restores that phase only", async () => {
    const { calls, plans, log } = watched(two);
    await runLoop({ plans, observers: [log], ending: ending(never), from: from({}, calls) });
    expect(calls.slice(0, 5)).toEqual(["begin search", "resume", "search 2 2!", "begin retrain", "retrain 3 1"]);
  });

  test("starts the next phase if the current one was ended early", async () => {
    const { calls, plans, log } = watched(two);
    await runLoop({ plans, observers: [log], ending: ending(never), from: from({ isPhaseOver: true }, calls) });
    expect(calls.slice(0, 4)).toEqual(["begin search", "resume", "begin retrain", "retrain 2 1"]);
  });
});

test("stop ends the phase, not the run", async () => {
  const { calls, plans, log } = watched(two);
  const stopper: RunObserver = {
    on: (event, run) => (event.event === "step" && event.step === 1 ? run?.stop() : undefined),
  };
  await runLoop({ plans, observers: [stopper, log], ending: ending(never) });
  expect(calls.slice(0, 4)).toEqual(["begin search", "search 1 1", "begin retrain", "retrain 2 1"]);
});

test("an abort ends the run after the current step", async () => {
  const { calls, plans, log } = watched(two);
  const controller = new AbortController();
  const aborter: RunObserver = { on: (event) => (event.event === "step" ? controller.abort() : undefined) };
  expect(await runLoop({ plans, observers: [log, aborter], ending: ending(controller.signal) })).toBe("aborted");
  expect(calls).toEqual(["begin search", "search 1 1"]);
});

test("an error in a step names the step", async () => {
  const { plans } = watched(two, 4);
  await expect(runLoop({ plans, observers: [], ending: ending(never) })).rejects.toThrow("Step 4: it broke");
});

test("timers run between steps", async () => {
  const { plans } = watched([["train", 3]]);
  let ticks = 0;
  const timer = setImmediate(function tick() {
    ticks += 1;
    if (ticks < 100) setImmediate(tick);
  });
  await runLoop({ plans, observers: [], ending: ending(never) });
  clearImmediate(timer);
  expect(ticks).toBeGreaterThanOrEqual(3);
});
