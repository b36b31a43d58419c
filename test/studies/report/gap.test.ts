import { describe, expect, it } from "vitest";
import type { Phase, RunEvent } from "../../../src/base/records/events.js";
import type { RunLog } from "../../../src/base/records/runLog.js";
import { gapCurve, gapCurveOn, gapOf, heldOutGapOf } from "../../../src/studies/report/figures/gap.js";
import {
  bestPoints,
  finalMetrics,
  metricCurve,
  metricCurveOn,
  metricNames,
  metricsByRows,
  type Point,
  type Run,
  toRuns,
  type WatchedRows,
} from "../../../src/studies/report/runs.js";

const time = "2026-05-17T09:30:00.000Z";

const step = (number: number, loss: number, phase: Phase = "train"): RunEvent => ({
  event: "step",
  time,
  phase,
  step: number,
  loss,
  learningRate: 1,
  seconds: 1,
  rows: 1,
  tokens: 1,
});

const evaluation = (at: number, metrics: Record<string, number>, phase: Phase = "train"): RunEvent => ({
  event: "evaluation",
  time,
  phase,
  step: at,
  metrics,
});

const done = (metrics: Record<string, number>): RunEvent => ({
  event: "done",
  time,
  metrics,
  seconds: 1,
  peakMemoryBytes: 1,
});

const start = (settings: Record<string, number | null>): RunEvent =>
  ({
    event: "start",
    time,
    versions: {},
    machine: {},
    settings,
    parameters: { total: 1, trained: 1 },
    rows: { train: 1 },
    judgedBy: { metric: "accuracy", goal: "maximize" },
    steps: {},
  }) as unknown as RunEvent;

const run = (...events: RunEvent[]) => toRuns([{ name: "a", events, isTorn: false } satisfies RunLog])[0]!;
/** Losses 1, 0.99, 0.98, …: the mean of a tenth identifies it. */
const losses = (count: number, phase: Phase = "train", from = 1) =>
  Array.from({ length: count }, (_, i) => step(from + i, (100 - i) / 100, phase));

describe("the gap of a run", () => {
  it("the gap is the validation loss minus the mean training loss of the last tenth of the steps", () => {
    const { train, heldOut, gap } = gapOf(run(...losses(40), done({ loss: 0.9, accuracy: 0.5 })))!;
    expect(train).toBeCloseTo((0.64 + 0.63 + 0.62 + 0.61) / 4, 12);
    expect(heldOut).toBe(0.9);
    expect(gap).toBeCloseTo(0.275, 12);
  });

  it("after a search the gap uses the retraining only", () => {
    const found = gapOf(run(...losses(30, "search"), ...losses(10, "retrain", 31), done({ loss: 0.5 })))!;
    expect(found.train).toBeCloseTo(0.91, 12);
    expect(found.gap).toBeCloseTo(-0.41, 12);
  });

  it("the gap uses test rows without validation rows, and is undefined without both", () => {
    expect(gapOf(run(...losses(10), done({ test_loss: 2 })))!.gap).toBeCloseTo(2 - 0.91, 12);
    expect(gapOf(run(...losses(10), done({ holdout_loss: 2 })))).toBeUndefined();
    expect(gapOf(run(done({ loss: 2 })))).toBeUndefined();
    expect(gapOf(run(...losses(10)))).toBeUndefined();
  });

  it("the gap ends at the state that early stopping restores", () => {
    const events = [
      start({ earlyStopping: 2 }),
      ...losses(20),
      evaluation(5, { loss: 0.7, accuracy: 0.6 }),
      evaluation(10, { loss: 0.6, accuracy: 0.8 }),
      evaluation(15, { loss: 0.65, accuracy: 0.8 }),
      evaluation(20, { loss: 0.7, accuracy: 0.7 }),
      evaluation(20, { loss: 0.6, accuracy: 0.8 }),
      done({ loss: 0.6, accuracy: 0.8 }),
    ];
    const stopped = run(...events);
    expect(bestPoints(stopped).map(({ step: at, value, metric }) => [at, value, metric])).toEqual([
      [10, 0.8, "accuracy"],
    ]);
    // Steps 9 and 10: a tenth of 20.
    expect(gapOf(stopped)!.train).toBeCloseTo((0.92 + 0.91) / 2, 12);
    expect(metricCurve(stopped, "accuracy").map(({ value }) => value)).toEqual([0.6, 0.8, 0.8, 0.7]);
  });

  it("the state that is kept follows the metric of early stopping, and the first step with a learning rate", () => {
    const first = { ...step(1, 1), learningRate: 0 } as RunEvent;
    const by = { ...start({ earlyStopping: 2 }), stopsBy: { metric: "loss", goal: "minimize" } } as RunEvent;
    const evaluations = [
      evaluation(1, { loss: 0.1, accuracy: 0.9 }),
      evaluation(2, { loss: 0.5, accuracy: 0.7 }),
      evaluation(3, { loss: 0.6, accuracy: 0.8 }),
    ];
    const kept = (begin: RunEvent) =>
      bestPoints(run(begin, first, ...losses(3, "train", 2), ...evaluations)).map((point) => [
        point.metric,
        point.step,
      ]);
    expect(kept(by)).toEqual([["loss", 2]]);
    expect(kept(start({ earlyStopping: 2 }))).toEqual([["accuracy", 3]]);
  });

  it("a curve leaves out the final evaluation of a restored state", () => {
    const evaluations = [
      evaluation(5, { accuracy: 0.8 }),
      evaluation(10, { accuracy: 0.7 }),
      evaluation(12, { accuracy: 0.8 }),
    ];
    const curve = (...events: RunEvent[]) => metricCurve(run(...events), "accuracy").map(({ step: at }) => at);
    expect(curve(start({ earlyStopping: 3 }), ...losses(12), ...evaluations, done({ accuracy: 0.8 }))).toEqual([5, 10]);
    expect(curve(start({ earlyStopping: 3 }), ...losses(12), ...evaluations)).toEqual([5, 10, 12]);
    expect(curve(start({ earlyStopping: null }), ...losses(12), ...evaluations, done({ accuracy: 0.8 }))).toEqual([
      5, 10, 12,
    ]);
  });

  it("the gap at each evaluation uses the losses up to that step", () => {
    const curve = gapCurve(run(...losses(20), evaluation(10, { loss: 1 }), evaluation(20, { loss: 1 })));
    expect(curve.map(({ step: at }) => at)).toEqual([10, 20]);
    expect(curve[0]!.value).toBeCloseTo(1 - (0.92 + 0.91) / 2, 12);
    expect(curve[1]!.value).toBeCloseTo(1 - (0.82 + 0.81) / 2, 12);
  });
});

describe("the curve of a metric", () => {
  it("a curve has the held-out rows only, not the validation rows of the end", () => {
    const watched = run(
      start({ holdoutFraction: 0.2 }),
      ...losses(10),
      evaluation(5, { loss: 0.7 }),
      evaluation(10, { loss: 0.6 }),
      evaluation(10, { loss: 0.1, holdout_loss: 0.6 }),
      done({ loss: 0.1, holdout_loss: 0.6 }),
    );
    expect(metricCurve(watched, "loss").map(({ value }) => value)).toEqual([0.7, 0.6]);
  });

  it("curve and gap use the rows that were evaluated during training", () => {
    const others = run(...losses(10), evaluation(5, { loss: 0.7 }), done({ loss: 0.1 }));
    const watched = run(
      start({ holdoutFraction: 0.2 }),
      ...losses(10),
      evaluation(5, { loss: 0.7 }),
      evaluation(10, { loss: 0.1, holdout_loss: 0.6, test_loss: 0.4 }),
      done({ loss: 0.1, holdout_loss: 0.6, test_loss: 0.4 }),
    );
    const [validation, heldOut] = ["validation rows", "held-out training rows"] as const;
    expect([others.watched, watched.watched]).toEqual([validation, heldOut]);
    const counts = (curve: (run: Run, rows: WatchedRows) => Point[]) =>
      [others, watched].map((one) => [validation, heldOut].map((rows) => curve(one, rows).length));
    expect(counts((one, rows) => metricCurveOn(one, "loss", rows))).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(counts(gapCurveOn)).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(gapOf(watched)!.heldOut).toBe(0.1);
    expect(heldOutGapOf(watched)!.heldOut).toBe(0.6);
    expect(heldOutGapOf(others)).toBeUndefined();
    const [first, last] = watched.of("evaluation").map((event) => metricsByRows(watched, event));
    expect(first).toEqual([[heldOut, { loss: 0.7 }]]);
    expect(last).toEqual([
      [validation, { loss: 0.1 }],
      [heldOut, { loss: 0.6 }],
    ]);
    expect(metricNames([others, watched])).toEqual(["loss"]);
  });

  it("tables of an unfinished run also name the held-out rows", () => {
    const live = run(start({ holdoutFraction: 0.2 }), ...losses(10), evaluation(5, { loss: 0.7 }));
    expect(gapOf(live)).toBeUndefined();
    expect(heldOutGapOf(live)!.heldOut).toBe(0.7);
    expect(finalMetrics(live)).toEqual({ holdout_loss: 0.7 });
  });

  it("a run with test rows only has no validation metrics", () => {
    const tested = run(
      start({ holdoutFraction: 0.2 }),
      ...losses(10),
      evaluation(10, { holdout_loss: 0.6, test_loss: 0.4 }),
      done({ holdout_loss: 0.6, test_loss: 0.4 }),
    );
    const [last] = tested.of("evaluation");
    expect(metricsByRows(tested, last!)).toEqual([["held-out training rows", { loss: 0.6 }]]);
    const plain = run(...losses(10), evaluation(10, { test_loss: 0.4 }), done({ test_loss: 0.4 }));
    expect(metricsByRows(plain, plain.of("evaluation")[0]!)).toEqual([]);
  });

  it("a run with a final evaluation only gives the held-out value", () => {
    const only = run(start({ holdoutFraction: 0.2 }), ...losses(3), evaluation(3, { loss: 0.1, holdout_loss: 0.6 }));
    expect(metricCurve(only, "loss").map(({ value }) => value)).toEqual([0.6]);
  });

  it("a curve has one value for each step", () => {
    const twice = run(...losses(3), evaluation(3, { loss: 0.5 }), evaluation(3, { loss: 0.5, test_loss: 0.4 }));
    expect(metricCurve(twice, "loss")).toHaveLength(1);
  });
});

it("there is no best point without early stopping or without a known goal", () => {
  expect(bestPoints(run(start({ earlyStopping: null }), ...losses(3), evaluation(3, { accuracy: 1 })))).toEqual([]);
  expect(bestPoints(run(...losses(3), evaluation(3, { accuracy: 1 })))).toEqual([]);
});
