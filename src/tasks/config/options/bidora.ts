/** The second level: its group, search and retraining, and the estimators of its hypergradient. */

import {
  type AppliesWhen,
  alternatives,
  both,
  choice,
  choiceOrNumber,
  group,
  number,
  text,
  toggle,
  whenGiven,
  whole,
} from "../../../base/settings/index.js";
import { OPTIMIZERS } from "../../../torch/optim/index.js";
import type { Method } from "../methods.js";
import {
  type LevelSettings,
  type UpperGroup,
  upperFacts,
  upperGroupNames,
  withRegularizer,
  withTwoLevels,
} from "../upperGroups.js";
import { withOptimizers } from "./training.js";

const bidora = group("Second level");

/** What a run's settings and its costs depend on in an estimator. train/hypergradients computes them. */
interface EstimatorFacts {
  /** Its second term has the step size ξ. */
  readonly usesXi: boolean;
  /** It is a series or an iteration with a number of terms. */
  readonly usesTerms: boolean;
  /** It divides a small difference of two gradients, which loses digits in low precision. */
  readonly isDifference: boolean;
  /** What it estimates: the derivative through the lower step, or that of the lower level's solution. */
  readonly target: "unrolled" | "implicit";
  /** Its second term, for the documentation. */
  readonly secondTerm: string;
  /**
   * How often that term takes the last lower step's rows forward and backward through the model, `fixed` times and once for each of so
   * many terms. A pass of tangents makes the same products with the weights as any other, and counts as one.
   */
  readonly passes: { readonly fixed: number; readonly perTerm: number };
}

/** Every estimator by name (see docs/method.md). */
export const ESTIMATOR_FACTS = {
  "finite-difference": {
    target: "unrolled",
    ...{ usesXi: true, usesTerms: false, isDifference: true },
    secondTerm: "central differences along `u` with `ε = 0.01 / ‖u‖`",
    passes: { fixed: 2, perTerm: 0 },
  },
  "forward-difference": {
    target: "unrolled",
    ...{ usesXi: true, usesTerms: false, isDifference: true },
    secondTerm: "one-sided difference; the lower step already provides one of the gradients",
    passes: { fixed: 1, perTerm: 0 },
  },
  exact: {
    target: "unrolled",
    ...{ usesXi: true, usesTerms: false, isDifference: false },
    secondTerm: "`d/dε ∇_M L_tr(V + εu, M)` at ε = 0 by tangents: forward over reverse, no cancellation",
    passes: { fixed: 1, perTerm: 0 },
  },
  neumann: {
    target: "implicit",
    ...{ usesXi: false, usesTerms: true, isDifference: false },
    secondTerm: "`u = α·Σ_{k<K} (I − αH)ᵏ·v`, α the lower learning rate, `H = ∇²_V L_tr`",
    passes: { fixed: 0, perTerm: 1 },
  },
  cg: {
    target: "implicit",
    ...{ usesXi: false, usesTerms: true, isDifference: false },
    secondTerm: "`u = (H + λI)⁻¹·v` by K conjugate-gradient iterations, λ = 1e-3",
    passes: { fixed: 1, perTerm: 1 },
  },
  "first-order": {
    target: "unrolled",
    ...{ usesXi: false, usesTerms: false, isDifference: false },
    secondTerm: "omitted",
    passes: { fixed: 0, perTerm: 0 },
  },
} satisfies Readonly<Record<string, EstimatorFacts>>;

/** How often an estimator's second term takes the lower step's rows through the model. */
export function passesOf(name: HypergradientName, terms: number): number {
  const { fixed, perTerm } = ESTIMATOR_FACTS[name].passes;
  return fixed + perTerm * terms;
}

/** The name of an estimator. */
export type HypergradientName = keyof typeof ESTIMATOR_FACTS;

export const estimatorNames = Object.keys(ESTIMATOR_FACTS) as [HypergradientName, ...HypergradientName[]];

/** The estimators that apply to an upper group. */
export function estimatorsFor(group: UpperGroup | undefined): readonly HypergradientName[] {
  const { isExplicit, isIndirect } = group ? upperFacts(group) : {};
  if (isExplicit) return ["exact"];
  return isIndirect ? estimatorNames.filter((name) => name !== "first-order") : estimatorNames;
}

function estimatorsWith(fact: "usesXi" | "usesTerms"): HypergradientName[] {
  return estimatorNames.filter((name) => ESTIMATOR_FACTS[name][fact]);
}

/** Whether an estimator loses too many digits if the model computes in `dtype`. */
export function isTooCoarse(name: HypergradientName, dtype: string): boolean {
  return dtype === "bfloat16" && ESTIMATOR_FACTS[name].isDifference;
}

const withLevels = withTwoLevels();
const withEstimator = withTwoLevels(({ isExplicit = false }) => isExplicit);

/** BiDoRA's default weight of its regularizer. */
export const REGULARIZER = 1e-5;

/** The settings that the conditions below read. */
export type BidoraValues = {
  readonly method: Method;
  readonly upper?: UpperGroup | undefined;
  readonly hypergradient: HypergradientName;
  readonly searchFolds?: number | undefined;
  readonly upperTrain?: string | undefined;
  readonly retrainSteps?: number | undefined;
  readonly retrainEpochs?: number | undefined;
};

/** With two levels, and where `holds` is true as well. */
function withTwoLevelsAnd(only: string, holds: (run: BidoraValues) => boolean): AppliesWhen {
  return {
    only: `${withLevels.only} ${only}`,
    holds: (run: BidoraValues) => withLevels.holds(run) && holds(run),
  };
}

function withEstimators(fact: "usesXi" | "usesTerms"): AppliesWhen {
  const names = estimatorsWith(fact);
  return withTwoLevelsAnd(
    `and --hypergradient ${alternatives(names)}`,
    (run) => withEstimator.holds(run) && names.includes(run.hypergradient),
  );
}

export const withRetraining = withTwoLevelsAnd(
  "and a retrain phase",
  ({ retrainSteps, retrainEpochs }) => retrainSteps !== 0 && retrainEpochs !== 0,
);

const withoutRetrainSteps = withTwoLevelsAnd(
  "and without --retrain-steps",
  ({ retrainSteps }) => retrainSteps === undefined,
);

/** Losses on the rows of different folds can't be compared. */
const withoutFolds = withTwoLevelsAnd("and without --search-folds", ({ searchFolds }) => searchFolds === undefined);
const withoutUpperTrain = withTwoLevelsAnd("and without --upper-train", ({ upperTrain }) => upperTrain === undefined);
const withSplit = both(withoutFolds, {
  only: "without --upper-train",
  holds: ({ upperTrain }: { upperTrain?: unknown }) => upperTrain === undefined,
});

export const bidoraOptions = {
  upper: bidora.advanced(
    choice(upperGroupNames),
    "what an upper level trains on rows of its own, with any method: a group of tensors, weight decays, or weights of sources",
    { placeholder: "GROUP", defaultText: "bidora: magnitudes, else none" },
  ),
  hypergradient: bidora(choice(estimatorNames), "estimator of the upper level's gradient", {
    placeholder: "NAME",
    default: "exact",
    appliesWhen: withEstimator,
    valueAppliesWhen: {
      "first-order": withTwoLevels(({ isIndirect = false }) => isIndirect),
    },
  }),
  upperTrain: bidora.rare(text("FILE"), "training rows of the upper level; all of --train is then the lower level's", {
    appliesWhen: withoutFolds,
  }),
  upperRowsInRetrain: bidora.rare(toggle, "train on the rows of --upper-train, too, in the retrain phase", {
    default: true,
    appliesWhen: both(withRetraining, whenGiven("upperTrain")),
  }),
  sourceColumn: bidora.rare(text("NAME"), "the column of --train that names each row's source, for --upper sources", {
    appliesWhen: { only: "with --upper sources", holds: ({ upper }: LevelSettings) => upper === "sources" },
  }),
  searchFraction: bidora.advanced(
    number({ above: 0, below: 1 }),
    "share of the training rows for the lower level in the search; the upper level gets the others",
    { default: 0.8, appliesWhen: withSplit },
  ),
  searchFolds: bidora.advanced(
    whole(2),
    "split the training rows into K folds; the search uses each in turn for the upper level, and the others for the lower level",
    { placeholder: "K", defaultText: "off", appliesWhen: withoutUpperTrain },
  ),
  searchPatience: bidora.advanced(
    whole(1),
    "end the search after this many passes over the upper level's rows without a lower mean loss, and restore its best state",
    { defaultText: "off", appliesWhen: withoutFolds },
  ),
  retrainSteps: bidora.advanced(whole(0), "optimizer steps of the retrain phase; 0 skips it", {
    defaultText: "as the search",
    appliesWhen: withLevels,
  }),
  retrainEpochs: bidora.advanced(number({ least: 0 }), "passes over the training rows in the retrain phase", {
    defaultText: "as the search",
    appliesWhen: withoutRetrainSteps,
  }),
  retrainLearningRate: bidora.advanced(number({ least: 0 }), "peak learning rate of the retrain phase", {
    defaultText: "as the search",
    appliesWhen: withRetraining,
  }),
  warmStart: bidora.advanced(
    toggle,
    "retrain from what the lower level of the search ended with, instead of from the start",
    { default: false, appliesWhen: withRetraining },
  ),
  upperLearningRate: bidora.advanced(number({ least: 0 }), "peak learning rate of the upper level in the search", {
    defaultText: "as --learning-rate; decay, sources: 0.05",
    appliesWhen: withLevels,
  }),
  upperWeightDecay: bidora.advanced(number({ least: 0 }), "weight decay of the upper level in the search", {
    default: 0,
    appliesWhen: withEstimator,
  }),
  xi: bidora.advanced(
    choiceOrNumber(["learning-rate", "optimizer"]),
    "step size in the hypergradient's second term: the lower level's learning rate, the derivative of the optimizer's actual step, or a number",
    {
      default: "learning-rate",
      appliesWhen: withEstimators("usesXi"),
      valueAppliesWhen: { optimizer: withOptimizers((name) => OPTIMIZERS[name].derivative !== undefined) },
    },
  ),
  unrollSteps: bidora.advanced(whole(1), "lower-level steps in one search step", {
    default: 1,
    appliesWhen: withLevels,
  }),
  hypergradientTerms: bidora.advanced(
    whole(1),
    `terms or iterations of the ${estimatorsWith("usesTerms").join(" and ")} estimators`,
    { default: 5, appliesWhen: withEstimators("usesTerms") },
  ),
  regularizer: bidora.advanced(
    number({ least: 0 }),
    "weight of the penalty that keeps the columns of the directions orthogonal",
    { defaultText: `${REGULARIZER} with magnitudes in the upper level, else 0`, appliesWhen: withRegularizer },
  ),
};
