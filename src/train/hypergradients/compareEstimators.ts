import { estimatorNames, type HypergradientName, type RunConfig } from "../../config/index.js";
import * as torch from "../../torch/index.js";
import type { BilevelRule } from "../bilevelRule.js";
import { planSearch, type TrainingSetup } from "../plans.js";
import { disposeSnapshot, restoreSnapshot, takeSnapshot } from "../trainedTensors.js";
import { type HypergradientEstimator, reference } from "./estimators.js";

/** One estimator against the exact hypergradient, by double backward. */
export interface EstimatorResult {
  readonly name: HypergradientName;
  readonly cosine: number;
  /** ‖g − exact‖ / ‖exact‖ */
  readonly relativeError: number;
  /** Wall time of a search step with it, up to the hypergradient. */
  readonly seconds: number;
}

/** Every estimator compared with the exact hypergradient. */
export interface EstimatorComparison {
  readonly estimators: readonly EstimatorResult[];
  /** ‖second term‖ / ‖hypergradient‖, exact. */
  readonly secondOrderShare: number;
}

/** Search steps taken first, so that the low-rank update is no longer zero. */
const STEPS_AWAY = 3;

/**
 * Computes the hypergradient of the run's fourth search step by every estimator: at the same point, on the same batches, with
 * the same random numbers. Learning rates are constant: the first step of a warm-up would have rate 0.
 */
export async function compareEstimators(
  setup: TrainingSetup,
  settings: RunConfig,
  signal?: AbortSignal,
): Promise<EstimatorComparison> {
  const ruleOf = (hypergradient: HypergradientName, estimator?: HypergradientEstimator): BilevelRule => {
    // This many for each fold.
    const maxSteps = (STEPS_AWAY + 1) * (settings.searchFolds ?? 1);
    const constant = { schedule: "constant", warmupRatio: 0, maxSteps } as const;
    return planSearch(setup, { ...settings, hypergradient, ...constant }, undefined, estimator).begin();
  };
  const mover = ruleOf(settings.hypergradient);
  for (let i = 0; i < STEPS_AWAY; i++) torch.scope(() => mover.step());

  const { trained } = setup.adapted;
  const [snapshot, state, random] = [takeSnapshot(trained), mover.save(), setup.masks.mark()];
  const measureBy = async (rule: BilevelRule): Promise<Measured> => {
    rule.restore(state);
    const measured = setup.masks.replay(random, () => measure(rule));
    restoreSnapshot(trained, snapshot);
    await new Promise(setImmediate);
    signal?.throwIfAborted();
    return measured;
  };
  const { gradient: exact } = await measureBy(ruleOf("exact", reference));
  const measured = new Map<HypergradientName, Measured>();
  for (const name of estimatorNames) measured.set(name, await measureBy(ruleOf(name)));
  disposeSnapshot(snapshot);
  return comparisonOf(measured, exact);
}

interface Measured {
  readonly gradient: Float64Array;
  readonly seconds: number;
}

function measure(rule: BilevelRule): Measured {
  const began = performance.now();
  const gradient = torch.scope(() => {
    const { gradients } = rule.descend();
    return Float64Array.from(gradients.tensors.flatMap((tensor) => tensor.toArray()));
  });
  return { gradient, seconds: (performance.now() - began) / 1000 };
}

function comparisonOf(measured: ReadonlyMap<HypergradientName, Measured>, exact: Float64Array): EstimatorComparison {
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

function compare(gradient: Float64Array, exact: Float64Array): { cosine: number; relativeError: number } {
  const dot = gradient.reduce((sum, value, i) => sum + value * (exact[i] as number), 0);
  return { cosine: dot / (norm(gradient) * norm(exact)), relativeError: distance(gradient, exact) / norm(exact) };
}

const norm = (vector: Float64Array): number => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));

const distance = (a: Float64Array, b: Float64Array): number => norm(a.map((value, i) => value - (b[i] as number)));
