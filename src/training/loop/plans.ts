import type { Phase } from "../../base/records/index.js";
import {
  type AdaptedModel,
  isRegularized,
  OrthogonalityRegularizer,
  type TrainedTensor,
  type TrainingHooks,
} from "../../models/adapters/index.js";
import type { TaskModel } from "../../models/index.js";
import { type RunConfig, upperFacts, upperOf, upperSettings } from "../../tasks/config/index.js";
import type { Location } from "../../tasks/data/index.js";
import type { EncodedExample, Task } from "../../tasks/index.js";
import type { Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import { throughDecay } from "../hypergradients/decay.js";
import { ESTIMATORS, type HypergradientEstimator } from "../hypergradients/estimators.js";
import type { Penalty } from "../steps/batchGradients.js";
import { BilevelRule } from "../steps/bilevelRule.js";
import { Level, type LevelOptions } from "../steps/level.js";
import { LossScale } from "../steps/lossScale.js";
import type { StartOutputs } from "../steps/startOutputs.js";
import { PlainRule, type PlainRuleOptions } from "../steps/stepRule.js";
import { copiesOf, restoreSnapshot, restoreTensors, type Snapshot } from "../steps/trainedTensors.js";
import { BatchStream, type SearchBatches, searchBatches, stepsOf } from "./batches.js";
import { levelsOf, type TwoLevels } from "./levels.js";
import type { PhasePlan } from "./loop.js";
import type { ReplayableMasks } from "./masks.js";
import { ratesOf } from "./rates.js";

/** The model, its data, and its starting point. */
export interface TrainingSetup {
  readonly model: TaskModel;
  readonly adapted: AdaptedModel;
  /** What each level trains, of a run with two; by default what the settings name. */
  readonly levels?: TwoLevels | undefined;
  readonly rows: readonly EncodedExample[];
  /** The groups of their examples, if these are to be kept together. */
  readonly groups?: ReadonlyMap<Location, number> | undefined;
  /** The upper level's rows, if they are no part of `rows`. */
  readonly upperRows?: readonly EncodedExample[] | undefined;
  readonly task: Task;
  readonly masks: ReplayableMasks;
  /** The processes that train together; each has the whole setup. */
  readonly ranks: Ranks;
  /** The trained tensors at the start of the run. */
  readonly start: Snapshot;
  /** Of a task that compares with the model before training. */
  readonly startOutputs?: StartOutputs | undefined;
}

/** The setup of a run with two levels. */
type BilevelSetup = TrainingSetup & { readonly levels: TwoLevels };

/** The same setup with what each level trains, if there are two. */
export function withLevels(setup: TrainingSetup, settings: RunConfig): TrainingSetup {
  const { adapted, model } = setup;
  const { weightDecay } = settings;
  const levels = setup.levels ?? levelsOf(settings, { adapted, headModules: model.headModules, weightDecay });
  return { ...setup, levels };
}

const placesOf = ({ adapted, model }: TrainingSetup) => ({ adapted, headModules: model.headModules });

const isBilevel = (setup: TrainingSetup): setup is BilevelSetup => setup.levels !== undefined;

/** The phases of a run: one, or the search and the retraining of one with two levels. */
export function planPhases(given: TrainingSetup, settings: RunConfig): PhasePlan[] {
  const setup = withLevels(given, settings);
  return isBilevel(setup) ? bilevelPlans(setup, settings) : [trainPlan(setup, settings)];
}

function trainPlan(setup: TrainingSetup, settings: RunConfig): PhasePlan {
  const batches = new BatchStream(setup.rows, shared(setup, settings));
  const steps = settings.maxSteps ?? stepsOf(settings.epochs, batches.batchesPerPass, settings.gradientAccumulation);
  const { learningRate, weightDecay } = settings;
  const { hooks } = setup.adapted;
  const rateOf = ratesOf(settings, learningRate, placesOf(setup));
  return {
    phase: "train",
    steps,
    begin: () => {
      const level = { steps, learningRate, rateOf, weightDecay };
      const regularizer = settings.method === "dora" ? penaltyOf(setup.adapted, settings.regularizer) : undefined;
      const terms = { penalty: onOneRank(setup, penaltyOfHooks(hooks) ?? regularizer), hooks };
      return plainRule("train", setup, settings, setup.adapted.trained, batches, level, terms);
    },
  };
}

/** The settings of batches that all ranks share: `batchSize` is that of one rank. A task that arranges its rows has whole batches in one order. */
function shared({ model, ranks, task }: Pick<TrainingSetup, "model" | "ranks" | "task">, settings: RunConfig) {
  const order = task.arranged && { dropLast: true, batchesTogether: settings.gradientAccumulation };
  return { ...settings, ...order, batchSize: settings.batchSize * ranks.size, device: model.device, ranks };
}

/** The rows of the first batches that the run trains on, in the order of its lower or only level. */
export function firstBatches(
  given: Omit<TrainingSetup, "adapted" | "start" | "masks" | "levels">,
  settings: RunConfig,
  count: number,
): (readonly EncodedExample[])[] {
  const all = shared(given, settings);
  const batches =
    upperOf(settings) === undefined
      ? new BatchStream(given.rows, all)
      : searchBatches(given.rows, { ...all, groups: given.groups }, given.upperRows).lower;
  const upcoming = batches.upcoming();
  return Array.from({ length: count }, () => upcoming.next().value as readonly EncodedExample[]);
}

function bilevelPlans(setup: BilevelSetup, settings: RunConfig): PhasePlan[] {
  const penalty = lowerPenalty(setup, settings);
  const search = searchPlan(setup, settings, penalty);
  const retrain = retrainPlan(setup, settings, penalty);
  return retrain.steps === 0 ? [search] : [search, retrain];
}

/** The first phase of a run with two levels, perhaps with another estimator. @throws TypeError for one level */
export function planSearch(
  given: TrainingSetup,
  settings: RunConfig,
  estimator?: HypergradientEstimator,
): PhasePlan<BilevelRule> {
  const setup = withLevels(given, settings);
  if (!isBilevel(setup)) throw new TypeError("A run with one level has no search.");
  return searchPlan(setup, settings, lowerPenalty(setup, settings), estimator);
}

function searchPlan(
  setup: BilevelSetup,
  settings: RunConfig,
  penalty: Penalty | undefined,
  estimator = estimatorOf(setup.levels, settings),
): PhasePlan<BilevelRule> {
  const batches = searchBatches(setup.rows, { ...shared(setup, settings), groups: setup.groups }, setup.upperRows);
  const { lower: lowerBatches, upper: upperBatches, steps } = batches;
  const { group, lower, upper, values, sourceWeights } = setup.levels;
  checkLevels(setup, batches);
  const { unrollSteps, gradientAccumulation } = settings;
  const { learningRate, upperLearningRate, upperWeightDecay } = settings;
  return {
    phase: "search",
    steps,
    begin: () =>
      new BilevelRule({
        ...setup,
        hooks: setup.adapted.hooks,
        values,
        sourceWeights,
        lower: levelOf(settings, lower, {
          steps: steps * unrollSteps,
          learningRate,
          rateOf: ratesOf(settings, learningRate, placesOf(setup)),
          weightDecay: lowerDecay(setup.levels, settings),
        }),
        upper: levelOf(upperSettings(settings), upper, {
          steps,
          learningRate: upperLearningRate,
          weightDecay: upperWeightDecay,
        }),
        isIndirect: upperFacts(group).isIndirect,
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

/** @throws BidoraError for rows that teach a level nothing */
function checkLevels({ task, levels }: BilevelSetup, { lowerRows, upperRows }: SearchBatches): void {
  levels.sourceWeights?.check(lowerRows);
  task.contrastive?.checkLevel(lowerRows, "lower");
  for (const rows of upperRows) task.contrastive?.checkLevel(rows, "upper");
}

const estimatorOf = ({ decays }: TwoLevels, settings: RunConfig): HypergradientEstimator =>
  decays ? throughDecay(decays) : ESTIMATORS[settings.hypergradient]({ terms: settings.hypergradientTerms });

/** The lower level's weight decay: that of the run, or those that the upper level trains. */
const lowerDecay = ({ decays }: TwoLevels, { weightDecay }: RunConfig): LevelOptions["weightDecay"] =>
  decays ? (tensor) => decays.of(tensor) : weightDecay;

/**
 * The upper tensors keep the search's values; the lower ones are trained on all rows with a new optimizer. They start from the run's
 * starting point or, with a warm start, from the result of the search.
 */
function retrainPlan(setup: BilevelSetup, settings: RunConfig, penalty: Penalty | undefined): PhasePlan {
  const rows = settings.upperRowsInRetrain ? [...setup.rows, ...(setup.upperRows ?? [])] : setup.rows;
  const batches = new BatchStream(rows, shared(setup, settings));
  const { gradientAccumulation, retrainLearningRate: learningRate } = settings;
  const { batchesPerPass } = batches;
  const steps = settings.retrainSteps ?? stepsOf(settings.retrainEpochs!, batchesPerPass, gradientAccumulation);
  const { lower, upper, sourceWeights } = setup.levels;
  const { hooks, restart } = retrainHooks(setup);
  return {
    phase: "retrain",
    steps,
    begin: () => {
      if (!settings.warmStart) {
        restoreSnapshot(lower, setup.start);
        restart();
      }
      for (const { tensor } of upper) tensor.setRequiresGrad(false);
      const rateOf = ratesOf(settings, learningRate, placesOf(setup));
      const level = { steps, learningRate, rateOf, weightDecay: lowerDecay(setup.levels, settings) };
      return plainRule("retrain", setup, settings, lower, batches, level, { penalty, hooks, sourceWeights });
    },
  };
}

/** The method's additions to retraining: it prunes again if the lower level trains what it prunes, and else keeps the search's choice. */
function retrainHooks({ adapted: { hooks }, levels }: BilevelSetup) {
  if (!hooks?.memory || levels.group === "adalora")
    return { hooks: hooks?.memory && { memory: hooks.memory }, restart() {} };
  const { memory } = hooks;
  const start = copiesOf(memory);
  return { hooks, restart: () => restoreTensors(memory, start) };
}

/** A penalty counts once: the other ranks have none. */
const onOneRank = ({ ranks }: TrainingSetup, penalty: Penalty | undefined): Penalty | undefined =>
  ranks.rank === 0 ? penalty : undefined;

/** What is added to the lower level's loss: the regularizer beside magnitudes, or the method's own penalty. */
function lowerPenalty(setup: BilevelSetup, { regularizer }: RunConfig): Penalty | undefined {
  const { adapted, levels } = setup;
  const ofMagnitudes = levels.group === "magnitudes" ? penaltyOf(adapted, regularizer) : undefined;
  return onOneRank(setup, ofMagnitudes ?? penaltyOfHooks(adapted.hooks));
}

const penaltyOfHooks = (hooks: TrainingHooks | undefined): Penalty | undefined => hooks?.penalty?.bind(hooks);

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
  { task, model, masks, ranks, startOutputs }: TrainingSetup,
  settings: RunConfig,
  trained: readonly TrainedTensor[],
  batches: BatchStream,
  level: LevelChoice,
  terms: Pick<PlainRuleOptions, "penalty" | "hooks" | "sourceWeights">,
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
    startOutputs,
    gradientAccumulation,
    lossScale: settings.dtype === "float16" ? new LossScale() : undefined,
    ...terms,
  });
}

type LevelChoice = Pick<LevelOptions, "steps" | "learningRate" | "rateOf" | "weightDecay">;

const levelOf = (settings: RunConfig, trained: readonly TrainedTensor[], choice: LevelChoice): Level =>
  new Level(trained, { ...settings, ...choice });
