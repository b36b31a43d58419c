import type { AdaptedModel } from "../adapters/index.js";
import type { EncodedRow } from "../data/index.js";
import type { TaskModel } from "../models/index.js";
import * as torch from "../torch/index.js";
import { BatchStream } from "./batches.js";
import { BilevelRule } from "./bilevelRule.js";
import { ESTIMATORS, type HypergradientName } from "./hypergradients/index.js";
import { Level, type Update } from "./level.js";
import { ReplayableMasks } from "./masks.js";
import { type PlanSettings, penaltyOf } from "./plans.js";
import { disposeSnapshot, putBack, takeSnapshot } from "./trained.js";

/** One estimator against the exact hypergradient. */
export interface EstimatorResult {
  readonly name: HypergradientName;
  readonly cosine: number;
  /** ‖g − exact‖ / ‖exact‖ */
  readonly relativeError: number;
  /** Wall time of one search step with it. */
  readonly seconds: number;
}

export interface EstimatorComparison {
  readonly estimators: readonly EstimatorResult[];
  /** ‖second term‖ / ‖hypergradient‖, exact. */
  readonly secondOrderShare: number;
}

export interface ComparisonSetup {
  readonly model: TaskModel;
  readonly adapted: AdaptedModel;
  readonly task: Parameters<typeof batchesOf>[1];
  readonly lowerRows: readonly EncodedRow[];
  readonly upperRows: readonly EncodedRow[];
  readonly generator: torch.Generator;
  readonly signal?: AbortSignal | undefined;
}

/** Search steps taken first, so that the low-rank update is no longer zero. */
const STEPS_AWAY = 3;

/** Computes every estimator at the same point, on the same batches, with the same random numbers. */
export async function compareEstimators(setup: ComparisonSetup, settings: PlanSettings): Promise<EstimatorComparison> {
  const start = comparisonLevels(setup, settings);
  const mover = ruleOf(setup, settings, "exact", start.lower, start.upper);
  for (let i = 0; i < STEPS_AWAY; i++) torch.scope(() => mover.step());

  const snapshot = takeSnapshot(setup.adapted.trained);
  const moments = start.lower.save();
  const mark = setup.generator.getState();
  const measured = new Map<HypergradientName, { readonly gradient: Float64Array; readonly seconds: number }>();
  for (const name of Object.keys(ESTIMATORS) as HypergradientName[]) {
    const { lower, upper } = comparisonLevels(setup, settings);
    lower.restore(moments.steps, moments.tensors);
    const rule = ruleOf(setup, settings, name, lower, upper);
    const began = performance.now();
    torch.scope(() => rule.step());
    measured.set(name, { gradient: upper.recorded, seconds: (performance.now() - began) / 1000 });
    putBack(setup.adapted.trained, snapshot);
    setup.generator.setState(mark);
    await new Promise(setImmediate);
    setup.signal?.throwIfAborted();
  }
  disposeSnapshot(snapshot);
  const exact = measured.get("exact")?.gradient ?? new Float64Array();
  const firstOrder = measured.get("first-order")?.gradient ?? exact;
  return {
    estimators: Array.from(measured, ([name, { gradient, seconds }]) => ({
      name,
      seconds,
      ...compare(gradient, exact),
    })),
    secondOrderShare: distance(exact, firstOrder) / norm(exact),
  };
}

/** Takes note of the hypergradient in place of a step with it, once the moving is done. */
class RecordingLevel extends Level {
  recorded = new Float64Array();

  override update(gradients: readonly torch.Tensor[]): Update {
    this.recorded = Float64Array.from(gradients.flatMap((gradient) => gradient.toArray()));
    return { learningRate: this.learningRate, clipFactor: 1 };
  }
}

/** Both levels with a constant rate: a warm-up's first step would have none. */
function comparisonLevels(
  { adapted }: ComparisonSetup,
  settings: PlanSettings,
): { lower: Level; upper: RecordingLevel } {
  const shared = {
    beta1: settings.adamBeta1,
    beta2: settings.adamBeta2,
    epsilon: settings.adamEpsilon,
    schedule: "constant",
    warmupRatio: 0,
    steps: Number.MAX_SAFE_INTEGER,
    maxGradNorm: settings.maxGradNorm,
  } as const;
  const withRole = (role: string) => adapted.trained.filter((member) => member.role === role);
  const { learningRate, weightDecay, upperLearningRate, upperWeightDecay } = settings;
  return {
    lower: new Level(withRole("direction"), { ...shared, learningRate, weightDecay }),
    upper: new RecordingLevel(withRole("magnitude"), {
      ...shared,
      learningRate: upperLearningRate,
      weightDecay: upperWeightDecay,
    }),
  };
}

function ruleOf(
  setup: ComparisonSetup,
  settings: PlanSettings,
  name: HypergradientName,
  lower: Level,
  upper: Level,
): BilevelRule {
  const { model, adapted, task, lowerRows, upperRows, generator } = setup;
  return new BilevelRule({
    model,
    adapted,
    lower,
    upper,
    lowerBatches: batchesOf(lowerRows, task, settings),
    upperBatches: batchesOf(upperRows, task, settings),
    masks: new ReplayableMasks(generator),
    estimator: ESTIMATORS[name]({ terms: settings.hypergradientTerms }),
    xi: settings.xi,
    unrollSteps: 1,
    gradientAccumulation: 1,
    penalty: penaltyOf(adapted, settings.regularizer),
  });
}

function batchesOf(
  rows: readonly EncodedRow[],
  task: ConstructorParameters<typeof BatchStream>[1]["task"],
  { batchSize, seed }: PlanSettings,
): BatchStream {
  return new BatchStream(rows, { task, batchSize, seed, shuffle: false, dropLast: false });
}

function compare(gradient: Float64Array, exact: Float64Array): { cosine: number; relativeError: number } {
  const dot = gradient.reduce((sum, value, i) => sum + value * (exact[i] as number), 0);
  return { cosine: dot / (norm(gradient) * norm(exact)), relativeError: distance(gradient, exact) / norm(exact) };
}

const norm = (vector: Float64Array): number => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));

const distance = (a: Float64Array, b: Float64Array): number => norm(a.map((value, i) => value - (b[i] as number)));
