import {
  ESTIMATOR_FACTS,
  estimatorsFor,
  type HypergradientName,
  type RunConfig,
  upperOf,
} from "../../tasks/config/index.js";
import * as torch from "../../torch/index.js";
import { planSearch, type TrainingSetup, withLevels } from "../loop/plans.js";
import type { BilevelRule } from "../steps/bilevelRule.js";
import type { GroupDecays } from "../steps/groupDecays.js";
import { disposeSnapshot, restoreSnapshot, takeSnapshot } from "../steps/trainedTensors.js";
import { throughRecordedStep } from "./decay.js";
import { type HypergradientEstimator, implicitSecondTerm, numbersOf, reference } from "./estimators.js";
import { norm } from "./gmres.js";

/** How near one hypergradient is to another. */
interface Nearness {
  readonly cosine: number;
  /** ‖g − target‖ / ‖target‖ */
  readonly relativeError: number;
}

/** One estimator against the hypergradient that it estimates, both of the targets by double backward. */
export interface EstimatorResult extends Nearness {
  readonly name: HypergradientName;
  /**
   * The derivative through the lower step, or that of the lower level's solution: with (H + λI)⁻¹·v, H the Hessian of the lower level's
   * loss, in the place of ξ·v. The target of `first-order` is the unrolled one, of which it leaves out the second term.
   */
  readonly target: "unrolled" | "implicit";
  /** Wall time of a search step with it, up to the hypergradient. */
  readonly seconds: number;
}

/** The implicit target against the unrolled one, and how it was found. */
export interface ImplicitTarget extends Nearness {
  /** ‖v − (H + λI)·x‖ / ‖v‖ of its solution x. */
  readonly residual: number;
  /** Products with H that it took. */
  readonly products: number;
}

/** Every estimator compared with its target. */
export interface EstimatorComparison {
  readonly estimators: readonly EstimatorResult[];
  /** Absent, as the share, for weight decays, whose gradient has a formula. */
  readonly implicit?: ImplicitTarget;
  /** ‖second term‖ / ‖hypergradient‖ of the unrolled target. */
  readonly secondOrderShare?: number;
  /** What the estimators told, one sentence each. */
  readonly notes: readonly string[];
}

/** The residual that the implicit target is solved to, if its products suffice; rounding in lower precision ends higher. */
const TOLERANCE = 1e-10;

interface ComparisonOptions {
  /** The most products with H that the implicit target may take. */
  readonly mostProducts: number;
  readonly signal?: AbortSignal | undefined;
}

/** Search steps taken first, so that the low-rank update is no longer zero. */
const STEPS_AWAY = 3;

/**
 * Computes the hypergradient of the run's fourth search step by every estimator, and both targets: at the same point, on the same batches, with
 * the same random numbers. Learning rates are constant: the first step of a warm-up would have rate 0.
 */
export async function compareEstimators(
  given: TrainingSetup,
  settings: RunConfig,
  { mostProducts, signal }: ComparisonOptions,
): Promise<EstimatorComparison> {
  const setup = withLevels(given, settings);
  const ruleOf = (hypergradient: HypergradientName, estimator?: HypergradientEstimator): BilevelRule => {
    // This many for each fold.
    const maxSteps = (STEPS_AWAY + 1) * (settings.searchFolds ?? 1);
    const constant = { schedule: "constant", warmupRatio: 0, maxSteps } as const;
    return planSearch(setup, { ...settings, hypergradient, ...constant }, estimator).begin();
  };
  const mover = ruleOf(settings.hypergradient);
  for (let i = 0; i < STEPS_AWAY; i++) torch.scope(() => mover.step());

  const nextTurn = async () => {
    await new Promise(setImmediate);
    signal?.throwIfAborted();
  };
  const { measureBy, end } = atPointOf(mover, setup, nextTurn);
  const { decays } = setup.levels ?? {};
  if (decays) {
    const target = await measureBy(ruleOf("exact"), (rule) => throughStep(rule, decays));
    const { gradient, seconds } = await measureBy(ruleOf("exact"), measure);
    end();
    const nearness = compare(gradient, numbersOf(target.tensors));
    return { estimators: [{ name: "exact", target: "unrolled", seconds, ...nearness }], notes: [] };
  }
  let solution = { residual: 0, products: 0 };
  const solve = (rule: BilevelRule) =>
    rule.descendWith(async (point, v) => {
      const found = await implicitSecondTerm(point, v, { tolerance: TOLERANCE, mostProducts }, nextTurn);
      solution = found.solution;
      return found.second;
    });
  const byReference = () => ruleOf("exact", reference);
  const targets = {
    unrolled: (await measureBy(byReference(), measure)).gradient,
    implicit: numbersOf((await measureBy(byReference(), solve)).tensors),
  };
  const measured = new Map<HypergradientName, Measured>();
  for (const name of estimatorsFor(upperOf(settings))) measured.set(name, await measureBy(ruleOf(name), measure));
  end();
  const { residual, products } = solution;
  return {
    ...comparisonOf(measured, targets),
    implicit: { ...compare(targets.implicit, targets.unrolled), residual, products },
  };
}

/** The hypergradient of weight decays by autograd through the lower step. */
const throughStep = (rule: BilevelRule, decays: GroupDecays) =>
  rule.descendWith(
    async (point, v, update) => throughRecordedStep(decays, rule.options.lower, { point, v, update }).second,
  );

/** Measures rules at the present state of one of them, with the same random numbers. */
function atPointOf(mover: BilevelRule, setup: TrainingSetup, nextTurn: () => Promise<void>) {
  const { trained } = setup.adapted;
  const [snapshot, state, random] = [takeSnapshot(trained), mover.save(), setup.masks.mark()];
  const measureBy = async <T>(rule: BilevelRule, measured: (rule: BilevelRule) => T): Promise<Awaited<T>> => {
    rule.restore(state);
    const found = await setup.masks.replay(random, () => measured(rule));
    restoreSnapshot(trained, snapshot);
    await nextTurn();
    return found;
  };
  return { measureBy, end: () => disposeSnapshot(snapshot) };
}

interface Measured {
  readonly gradient: Float64Array;
  readonly seconds: number;
  readonly note: string | undefined;
}

function measure(rule: BilevelRule): Measured {
  const began = performance.now();
  const found = torch.scope(() => {
    const { gradients, report } = rule.descend();
    return { gradient: numbersOf(gradients.tensors), note: report.note };
  });
  return { ...found, seconds: (performance.now() - began) / 1000 };
}

function comparisonOf(
  measured: ReadonlyMap<HypergradientName, Measured>,
  targets: Readonly<Record<EstimatorResult["target"], Float64Array>>,
): EstimatorComparison {
  // Without this estimator, the second term is all of it.
  const firstOrder = measured.get("first-order")?.gradient ?? new Float64Array(targets.unrolled.length);
  return {
    estimators: Array.from(measured, ([name, { gradient, seconds }]) => {
      const { target } = ESTIMATOR_FACTS[name];
      return { name, seconds, target, ...compare(gradient, targets[target]) };
    }),
    secondOrderShare: distance(targets.unrolled, firstOrder) / norm(targets.unrolled),
    notes: [...new Set(Array.from(measured.values(), ({ note }) => note))].filter((note) => note !== undefined),
  };
}

function compare(gradient: Float64Array, target: Float64Array): Nearness {
  const dot = gradient.reduce((sum, value, i) => sum + value * target[i]!, 0);
  return { cosine: dot / (norm(gradient) * norm(target)), relativeError: distance(gradient, target) / norm(target) };
}

const distance = (a: Float64Array, b: Float64Array): number => norm(a.map((value, i) => value - b[i]!));
