// How long a run may be within the budget.
import { UsageError } from "../../../base/index.js";
import type { StepCosts } from "../../../base/records/index.js";
import {
  passesOf,
  type RunConfig,
  type RunKey,
  type RunSettings,
  upperFacts,
  upperOf,
} from "../../../tasks/config/index.js";
import { batchesPerPass, countOfShare } from "../../../tasks/data/index.js";

/** The amount of training that every method gets. */
export interface Budget {
  readonly of: "steps" | "rows" | "seconds";
  readonly amount: number;
}

export const LENGTH_SETTINGS = [
  "epochs",
  "maxSteps",
  "retrainEpochs",
  "retrainSteps",
] as const satisfies readonly RunKey[];

export function readBudget(text: string): Budget {
  const [of, amount] = text.split("=") as [Budget["of"], string];
  return { of, amount: Number(amount) };
}

/**
 * The mean number of rows that one step takes forward and backward through the model; the last batch of a pass may be smaller. A search
 * step takes the upper level's rows, those of its lower steps, and the last lower step's again for the estimator's second term.
 * @param rows the number of training rows
 * @param ofUpperTrain that of the upper level's file, if it has one
 */
export function rowsPerStep(config: RunConfig, rows: number, ofUpperTrain?: number): StepCosts {
  const { unrollSteps, gradientAccumulation, hypergradient, hypergradientTerms } = config;
  const group = upperOf(config);
  const passes = group && !upperFacts(group).isExplicit ? passesOf(hypergradient, hypergradientTerms) : 0;
  const ofStep = (count: number) => gradientAccumulation * rowsOfBatch(config, count);
  const upper = ofUpperTrain ?? upperShare(config, rows);
  const all = ofUpperTrain === undefined ? rows : rows + ofUpperTrain;
  const search = (unrollSteps + passes) * ofStep(all - upper) + ofStep(upper);
  return { train: ofStep(rows), search, retrain: ofStep(config.upperRowsInRetrain ? all : rows) };
}

/** The upper level's part of the training rows. */
const upperShare = ({ searchFraction, searchFolds }: RunConfig, rows: number): number =>
  searchFolds === undefined ? rows - countOfShare(searchFraction, rows) : rows / searchFolds;

function rowsOfBatch({ batchSize, dropLast }: RunConfig, rows: number): number {
  return dropLast ? batchSize : rows / batchesPerPass({ examples: rows, batchSize, dropLast });
}

export const ONE_PER_STEP: StepCosts = { train: 1, search: 1, retrain: 1 };

/**
 * The length of a run that uses the budget. With two levels, search and retrain phases get half each.
 * @throws UsageError for a budget below the cost of one step in each phase
 */
export function lengthWithinBudget(
  { method, upper }: Pick<RunConfig, "method" | "upper">,
  { of, amount }: Budget,
  costs: StepCosts,
): RunSettings {
  const isBilevel = upperOf({ method, upper }) !== undefined;
  const steps = (left: number, cost: number) => {
    const count = Math.floor(left / cost + ROUNDING);
    if (count >= 1) return count;
    const needed = isBilevel ? Math.max(2 * costs.search, costs.search + costs.retrain) : costs.train;
    throw new UsageError(
      `--budget ${of}=${amount} is not enough for a step${isBilevel ? " in each phase" : ""} of ${method}: it takes ${Number(needed.toPrecision(3))}.`,
    );
  };
  if (!isBilevel) return { maxSteps: steps(amount, costs.train) };
  const search = steps(amount / 2, costs.search);
  return { maxSteps: search, retrainSteps: steps(amount - search * costs.search, costs.retrain) };
}

/** Tolerance for the rounding error of a quotient of mean row counts. */
const ROUNDING = 1e-9;
