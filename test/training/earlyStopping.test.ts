import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/base/index.js";
import type { Phase } from "../../src/base/records/events.js";
import { TrainedTensor } from "../../src/models/adapters/index.js";
import { Parameter } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import {
  byMetric,
  byUpperLoss,
  checkEvaluated,
  EarlyStopping,
  type StoppingCriterion,
} from "../../src/training/loop/earlyStopping.js";
import type { RunHandle } from "../../src/training/loop/observer.js";
import { takeSnapshot } from "../../src/training/steps/trainedTensors.js";

const STEPS = 6;
/** A rule whose warm-up and first pass are over. */
const SETTLED = { hasMoved: true, isSettled: true };

/**
 * One trained number, which counts the steps; a phase in which it is evaluated after each.
 * @param moved the first step with a learning rate above 0
 * @param settled the first step after warm-up and a first pass
 */
function watched({
  moved = 1,
  settled = 1,
  ...options
}: Partial<Pick<StoppingCriterion, "patience" | "goal">> & { moved?: number; settled?: number } = {}) {
  const tensor = torch.tensor([0]);
  const trained = [new TrainedTensor("weight", Parameter.of(tensor), "direction", true)];
  const criterion = byMetric("score", { patience: 2, goal: "maximize", ...options });
  const stopping = new EarlyStopping({
    criteria: { train: criterion, search: criterion, retrain: criterion },
    trained,
  });

  /** @returns the step that the phase ended at; what is trained, after it */
  function runPhase(phase: Phase, scores: readonly number[], from = 0): { ended: number; value: number } {
    for (let i = from; i < scores.length; i++) {
      torch.noGrad(() => torch.copy_(tensor, torch.tensor([i + 1])));
      let isStopped = false;
      const rule = { hasMoved: i + 1 >= moved, isSettled: i + 1 >= settled };
      const place = { phase, step: i + 1, isPhaseEnd: i + 1 === scores.length };
      const run = { ...place, rule, stop: () => (isStopped = true) } as unknown as RunHandle;
      const base = { time: "", phase, step: i + 1 };
      stopping.on({ ...base, event: "evaluation", metrics: { score: scores[i]!, other: -scores[i]! } }, run);
      const step = { ...base, event: "step", loss: 0, learningRate: 0, seconds: 0, rows: 1, tokens: 1 } as const;
      stopping.on(step, run);
      if (isStopped) return { ended: i + 1, value: tensor.item() };
    }
    return { ended: scores.length, value: tensor.item() };
  }
  return { stopping, trained, runPhase };
}

const falling = Array.from({ length: STEPS }, (_, i) => -i);

describe("the state of the best evaluation is restored", () => {
  test.each([
    ["after as many worse ones as patience has", "maximize", [1, 3, 2, 2, 5, 9], { ended: 4, value: 2 }],
    ["a tie is no better", "maximize", [3, 3, 3, 9, 9, 9], { ended: 3, value: 1 }],
    ["of a metric to minimize, the lowest", "minimize", [5, 3, 4, 3, 1, 0], { ended: 4, value: 2 }],
    ["a better one starts the count again", "maximize", [3, 1, 4, 1, 5, 1], { ended: 6, value: 5 }],
    ["at the last step, too", "minimize", [5, 4, 3, 2, 1, 6], { ended: 6, value: 5 }],
    ["a value that is no number is no better", "maximize", [1, Number.NaN, Number.NaN, 9], { ended: 3, value: 1 }],
  ] as const)("%s", (_, goal, scores, expected) => {
    expect(watched({ goal }).runPhase("train", scores)).toEqual(expected);
  });
});

describe("early stopping waits for the training", () => {
  test.each([
    ["a state that no step has moved is not the best one", { moved: 2 }, [9, 3, 4, 2, 1, 1], { ended: 5, value: 3 }],
    [
      "failures in the warm-up and the first pass don't count",
      { settled: 4 },
      [3, 2, 2, 2, 2, 9],
      { ended: 5, value: 1 },
    ],
    ["but the best state of that time is kept", { settled: 9 }, [1, 5, 2, 2, 2, 2], { ended: 6, value: 2 }],
    ["without any step that moves, the end is kept", { moved: 9 }, [5, 4, 3, 2, 1, 0], { ended: 6, value: 6 }],
  ] as const)("%s", (_, waiting, scores, expected) => {
    expect(watched(waiting).runPhase("train", scores)).toEqual(expected);
  });

  test("an evaluation after the end of the training changes nothing", () => {
    const { stopping, runPhase } = watched();
    runPhase("train", [1, 2]);
    const before = stopping.state;
    const evaluation = { time: "", phase: "train", step: 2, event: "evaluation", metrics: { score: 9 } } as const;
    stopping.on(evaluation, undefined);
    expect(stopping.state).toEqual(before);
  });
});

test("patience counts evaluations", () => {
  for (const patience of [1, 3]) expect(watched({ patience }).runPhase("train", falling).ended).toBe(1 + patience);
});

test("a metric that an evaluation does not have is refused, naming those that it has", () => {
  const criterion = byMetric("rewards_margin", { patience: 1, goal: "maximize" });
  const evaluation = { time: "", event: "evaluation", phase: "train", step: 1, metrics: { loss: 1, kl: 0 } } as const;
  expect(() => criterion.valueOf(evaluation)).toThrow(
    new UsageError(
      "Early stopping goes by rewards_margin, but the evaluation gave only loss, kl: name one of these by --early-stopping-metric.",
    ),
  );
});

test("early stopping needs an evaluation within the steps of all phases", () => {
  const of = (evalEvery: number, ...steps: number[]) =>
    checkEvaluated(
      { earlyStopping: 2, evalEvery },
      steps.map((count) => ({ steps: count })),
    );
  expect(() => of(9, 4, 4)).toThrow("the run of 8 steps has none with --eval-every 9");
  expect(() => of(8, 4, 4)).not.toThrow();
  expect(() => checkEvaluated({ earlyStopping: undefined, evalEvery: 9 }, [{ steps: 1 }])).not.toThrow();
});

describe("a search with its own patience", () => {
  const retrain = byMetric("score", { patience: 9, goal: "maximize" });
  const step = {
    time: "",
    phase: "search",
    event: "step",
    loss: 0,
    learningRate: 0,
    seconds: 0,
    rows: 1,
    tokens: 1,
  } as const;

  test("watches only the mean losses of passes in its steps", () => {
    const tensor = torch.tensor([0]);
    const trained = [new TrainedTensor("weight", Parameter.of(tensor), "direction", true)];
    const stopping = new EarlyStopping({ criteria: { search: byUpperLoss(2), retrain }, trained });
    let ended = 0;
    const passes = [undefined, 5, undefined, 4, undefined, 4, undefined, 4.5, undefined, 1];
    for (const [i, upperPassLoss] of passes.entries()) {
      torch.noGrad(() => torch.copy_(tensor, torch.tensor([i + 1])));
      const base = { ...step, step: i + 1, upperLoss: 0, ...(upperPassLoss !== undefined && { upperPassLoss }) };
      // its own criterion waits for nothing
      const rule = { hasMoved: false, isSettled: false };
      const run = { phase: "search", rule, isPhaseEnd: false, stop: () => (ended = i + 1) } as unknown as RunHandle;
      stopping.on({ time: "", event: "evaluation", phase: "search", step: i + 1, metrics: { score: 10 - i } }, run);
      stopping.on(base, run);
      if (ended) break;
    }
    expect([ended, tensor.item()]).toEqual([8, 4]);
    expect(stopping.state).toEqual({ phase: "search", best: 4, failures: 2 });
  });

  test("does not stop other phases", () => {
    const stopping = new EarlyStopping({ criteria: { search: byUpperLoss(1) }, trained: [] });
    const stop = () => expect.unreachable();
    for (const upperPassLoss of [1, 2, 3])
      stopping.on({ ...step, phase: "retrain", step: 1, upperPassLoss }, {
        isPhaseEnd: true,
        stop,
      } as unknown as RunHandle);
    expect(stopping.snapshot).toBeUndefined();
  });
});

test("each phase has its own best value", () => {
  const { runPhase, stopping } = watched();
  expect(runPhase("search", [9, 8, 7])).toEqual({ ended: 3, value: 1 });
  expect(runPhase("retrain", [1, 2, 1, 0])).toEqual({ ended: 4, value: 2 });
  expect(stopping.state).toEqual({ phase: "retrain", best: 2, failures: 2 });
});

test("a phase without an evaluation keeps its result", () => {
  const { stopping, trained } = watched();
  const event = { time: "", phase: "train", step: 1, event: "step", loss: 0, learningRate: 0, seconds: 0 } as const;
  torch.noGrad(() => torch.copy_(trained[0]!.tensor, torch.tensor([7])));
  const run = { phase: "train", rule: SETTLED, isPhaseEnd: true, stop: () => {} } as unknown as RunHandle;
  stopping.on({ ...event, rows: 1, tokens: 1 }, run);
  expect(trained[0]!.tensor.item()).toBe(7);
});

test.each([
  [[1, 3, 2, 2, 9, 9], { ended: 4, value: 2 }],
  [[1, 3, 2, 4, 1, 2], { ended: 6, value: 4 }],
])("a resumed run has its earlier best state and count: %j", (scores, expected) => {
  const first = watched();
  first.runPhase("train", scores.slice(0, 3));
  const second = watched();
  torch.noGrad(() => torch.copy_(second.trained[0]!.tensor, torch.tensor([2])));
  second.stopping.restore(first.stopping.state, takeSnapshot(second.trained));
  expect(second.runPhase("train", scores, 3)).toEqual(expected);
});
