import type { Phase } from "../../base/records/index.js";
import {
  type AdaptedModel,
  isRegularized,
  OrthogonalityRegularizer,
  type TrainedTensor,
} from "../../models/adapters/index.js";
import type { TaskModel } from "../../models/index.js";
import { METHODS, type RunConfig } from "../../tasks/config/index.js";
import type { Location } from "../../tasks/data/index.js";
import type { EncodedExample, Task } from "../../tasks/index.js";
import type { Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import { ESTIMATORS, type HypergradientEstimator } from "../hypergradients/estimators.js";
import type { Penalty } from "../steps/batchGradients.js";
import { BilevelRule } from "../steps/bilevelRule.js";
import { Level, type LevelOptions } from "../steps/level.js";
import { LossScale } from "../steps/lossScale.js";
import { PlainRule, type PlainRuleOptions } from "../steps/stepRule.js";
import { restoreSnapshot, type Snapshot } from "../steps/trainedTensors.js";
import { BatchStream, searchBatches, stepsOf } from "./batches.js";
import type { PhasePlan } from "./loop.js";
import type { ReplayableMasks } from "./masks.js";

/** The model, its data, and its starting point. */
export interface TrainingSetup {
  readonly model: TaskModel;
  readonly adapted: AdaptedModel;
  readonly rows: readonly EncodedExample[];
  /** The groups of their examples, if these are to be kept together. */
  readonly groups?: ReadonlyMap<Location, number> | undefined;
  readonly task: Task;
  readonly masks: ReplayableMasks;
  /** The processes that train together; each has the whole setup. */
  readonly ranks: Ranks;
  /** The trained tensors at the start of the run. */
  readonly start: Snapshot;
}

/** The phases of a run: one, or BiDoRA's search and retraining. */
export function planPhases(setup: TrainingSetup, settings: RunConfig): PhasePlan[] {
  return METHODS[settings.method].isBilevel ? bilevelPlans(setup, settings) : [trainPlan(setup, settings)];
}

function trainPlan(setup: TrainingSetup, settings: RunConfig): PhasePlan {
  const batches = new BatchStream(setup.rows, shared(setup, settings));
  const steps = settings.maxSteps ?? stepsOf(settings.epochs, batches.batchesPerPass, settings.gradientAccumulation);
  const { learningRate, weightDecay } = settings;
  const { hooks } = setup.adapted;
  return {
    phase: "train",
    steps,
    begin: () => {
      const level = { steps, learningRate, weightDecay };
      const terms = { penalty: onOneRank(setup, hooks?.penalty?.bind(hooks)), hooks };
      return plainRule("train", setup, settings, setup.adapted.trained, batches, level, terms);
    },
  };
}

/** The settings of batches that all ranks share: `batchSize` is that of one rank. */
function shared({ model, ranks }: TrainingSetup, settings: RunConfig) {
  return { ...settings, batchSize: settings.batchSize * ranks.size, device: model.device, ranks };
}

function bilevelPlans(setup: TrainingSetup, settings: RunConfig): PhasePlan[] {
  if (setup.adapted.hooks) throw new TypeError("A method with training hooks can't be trained on two levels.");
  const penalty = onOneRank(setup, penaltyOf(setup.adapted, settings.regularizer));
  const search = planSearch(setup, settings, penalty);
  const retrain = retrainPlan(setup, settings, penalty);
  return retrain.steps === 0 ? [search] : [search, retrain];
}

/** BiDoRA's first phase. */
export function planSearch(
  setup: TrainingSetup,
  settings: RunConfig,
  penalty: Penalty | undefined = onOneRank(setup, penaltyOf(setup.adapted, settings.regularizer)),
  estimator: HypergradientEstimator = ESTIMATORS[settings.hypergradient]({ terms: settings.hypergradientTerms }),
): PhasePlan<BilevelRule> {
  const {
    lower: lowerBatches,
    upper: upperBatches,
    steps,
  } = searchBatches(setup.rows, {
    ...shared(setup, settings),
    groups: setup.groups,
  });
  const { unrollSteps, gradientAccumulation } = settings;
  const { learningRate, weightDecay, upperLearningRate, upperWeightDecay } = settings;
  return {
    phase: "search",
    steps,
    begin: () =>
      new BilevelRule({
        ...setup,
        lower: levelOf(settings, withRole(setup, "direction"), {
          steps: steps * unrollSteps,
          learningRate,
          weightDecay,
        }),
        upper: levelOf(settings, withRole(setup, "magnitude"), {
          steps,
          learningRate: upperLearningRate,
          weightDecay: upperWeightDecay,
        }),
        lowerBatches,
        upperBatches,
        estimator,
        xi: settings.xi,
        unrollSteps,
        gradientAccumulation,
        penalty,
        reportsPasses: settings.searchPatience !== undefined,
        isRepeatable: settings.onNonfinite === "skip",
      }),
  };
}

/**
 * The upper tensors keep the search's values; the lower ones are trained on all rows with a new optimizer. They start from the run's
 * starting point or, with a warm start, from the result of the search.
 */
function retrainPlan(setup: TrainingSetup, settings: RunConfig, penalty: Penalty | undefined): PhasePlan {
  const batches = new BatchStream(setup.rows, shared(setup, settings));
  const { gradientAccumulation, retrainLearningRate: learningRate, weightDecay } = settings;
  const { batchesPerPass } = batches;
  const steps = settings.retrainSteps ?? stepsOf(settings.retrainEpochs!, batchesPerPass, gradientAccumulation);
  return {
    phase: "retrain",
    steps,
    begin: () => {
      const lower = withRole(setup, "direction");
      if (!settings.warmStart) restoreSnapshot(lower, setup.start);
      for (const { tensor } of withRole(setup, "magnitude")) tensor.setRequiresGrad(false);
      const level = { steps, learningRate, weightDecay };
      return plainRule("retrain", setup, settings, lower, batches, level, { penalty });
    },
  };
}

/** A penalty counts once: the other ranks have none. */
const onOneRank = ({ ranks }: TrainingSetup, penalty: Penalty | undefined): Penalty | undefined =>
  ranks.rank === 0 ? penalty : undefined;

/** γ·R; undefined if γ is zero or R covers no layer. */
function penaltyOf(adapted: AdaptedModel, weight: number): Penalty | undefined {
  if (weight === 0 || !isRegularized(adapted)) return undefined;
  let regularizer: OrthogonalityRegularizer | undefined;
  return () => {
    regularizer ??= new OrthogonalityRegularizer(adapted);
    return torch.mulScalar(regularizer.value(), weight);
  };
}

function plainRule(
  phase: Phase,
  { task, model, masks, ranks }: TrainingSetup,
  settings: RunConfig,
  trained: readonly TrainedTensor[],
  batches: BatchStream,
  level: LevelChoice,
  terms: Pick<PlainRuleOptions, "penalty" | "hooks">,
): PlainRule {
  const { gradientAccumulation } = settings;
  return new PlainRule({
    phase,
    task,
    model,
    level: levelOf(settings, trained, level),
    batches,
    masks,
    ranks,
    gradientAccumulation,
    lossScale: settings.dtype === "float16" ? new LossScale() : undefined,
    ...terms,
  });
}

type LevelChoice = Pick<LevelOptions, "steps" | "learningRate" | "weightDecay">;

const levelOf = (settings: RunConfig, trained: readonly TrainedTensor[], choice: LevelChoice): Level =>
  new Level(trained, { ...settings, ...choice });

function withRole({ adapted }: TrainingSetup, role: TrainedTensor["role"]): TrainedTensor[] {
  return adapted.trained.filter((member) => member.role === role);
}
