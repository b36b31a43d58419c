// What a finished run says if it has not learned anything from its rows, and which setting to change.

import { formatNumber } from "../../base/index.js";
import {
  type Findings,
  type MetricRows,
  type Metrics,
  metricName,
  type Phase,
  type PredictedRow,
} from "../../base/records/index.js";
import { flagOf } from "../../base/settings/index.js";
import type { RunConfig } from "../../tasks/config/index.js";
import { isConstant } from "../../tasks/index.js";
import { isUnchanged } from "../steps/trainedTensors.js";
import type { PhaseLosses } from "./history.js";
import type { Prepared } from "./prepare.js";

/** Whether the result equals the run's start. Factors of updates are part of it; learned decays and weights of sources are not. */
export function untrainedIn({ adapted, levels, start }: Prepared): Pick<Findings, "untrained"> {
  const factors = levels?.group === "scales" ? levels.own : [];
  return isUnchanged([...adapted.trained, ...factors], start) ? { untrained: true } : {};
}

type Decided = Pick<PredictedRow, "prediction" | "reference">;

/** The rows for which all predictions are the same, and those that all have the same label. */
export function constantRows(
  splits: Iterable<readonly [MetricRows, readonly Decided[]]>,
): Pick<Findings, "constant" | "constantLabels"> {
  const all = [...splits];
  const named = (is: (rows: readonly Decided[]) => boolean) =>
    all.flatMap(([split, rows]) => (is(rows) ? [split] : []));
  const constant = named((rows) => isConstant(rows.map(({ prediction }) => prediction)));
  const constantLabels = named((rows) => isConstant(rows.map(labelOf)));
  return { ...(constant.length > 0 && { constant }), ...(constantLabels.length > 0 && { constantLabels }) };
}

/** A row's label in the form of its prediction; nothing for tasks whose predictions are neither labels nor numbers. */
function labelOf({ prediction, reference }: Decided): PredictedRow["prediction"] {
  if (prediction.tokens !== undefined && Array.isArray(prediction.labels)) return { tokens: [], labels: reference };
  if (prediction.labels !== undefined) return { labels: reference };
  return prediction.label !== undefined || prediction.value !== undefined ? { value: reference } : {};
}

/** A sentence for a result that equals the run's start. @param at the run's last step */
export function untrainedNote(
  config: RunConfig,
  { phase, phaseStep }: { readonly phase: Phase | undefined; readonly phaseStep: number },
): string {
  const found = "The model is untrained: no trained tensor differs from its start";
  const { rate, flag } = rateOf(config, phase === "retrain");
  if (rate === 0) return `${found}, since ${flag} is 0: use a larger one.`;
  if (phaseStep <= 1 && config.warmupRatio > 0)
    return `${found}, since its only step is the first of the warm-up, with a learning rate of 0: use more --epochs or --max-steps, or --warmup-ratio 0.`;
  return `${found}: use a larger ${flag}.`;
}

/** The learning rate of a phase, and the flag that sets it. */
function rateOf(config: RunConfig, isRetraining: boolean): { readonly rate: number; readonly flag: string } {
  const key = isRetraining ? "retrainLearningRate" : "learningRate";
  return { rate: config[key], flag: flagOf(config.given[key] === undefined ? "learningRate" : key) };
}

/** A row that was evaluated. */
interface Evaluated {
  readonly reference: unknown;
  readonly prediction: object;
}

/** The fewest rows whose mean loss says something. */
const FEWEST_ROWS = 10;

/** A loss that is clearly below another one is at most so much of it: a new head's loss is a little below or above by chance. */
const CLEARLY = 0.99;

/**
 * A sentence for a model that does no better than one that predicts the same for every row: by the predictions for validation (or held-out)
 * rows, and by the loss on them, else on training rows. Undefined for other models, and for tasks without such a predictor.
 */
export function notLearnedNote(
  { choice, data, config }: Prepared,
  metrics: Metrics,
  losses: PhaseLosses,
  evaluatedOn: (split: "validation" | "holdout") => readonly Evaluated[],
): string | undefined {
  const split = data.validation ? "validation" : data.holdout ? "holdout" : undefined;
  const rows = (split && data[split]) ?? data.train;
  if (losses.steps === 0 || (split === undefined && losses.areRest)) return undefined;
  const { last } = losses;
  const what = split === undefined ? "training" : split === "holdout" ? "held-out" : "validation";
  const found = split && evaluatedOn(split);
  const reached = split ? metrics[metricName("loss", split)]! : last;
  const constant = found && sameForAll(found, what);
  const baseline = rows.length < FEWEST_ROWS ? undefined : choice.task.constantLoss?.(data.train, rows);
  // A loss is never below that of predicting the one label that all training rows have.
  const isBelow = !baseline || reached < CLEARLY * baseline;
  if (constant === undefined && isBelow) return undefined;
  const why =
    constant ??
    `The ${what} loss, ${formatNumber(reached)}, is not clearly below ${formatNumber(baseline as number)}, that of predicting the labels' ${choice.kind === "regression" ? "mean" : "frequencies"} for every row`;
  const isFitted = baseline !== undefined && split !== undefined && losses.areMany && last < CLEARLY * baseline;
  return `${why}: ${adviceFor(config, losses, !isBelow && isFitted)}.`;
}

/** Undefined if predictions differ, or if they are the same because the labels are. */
function sameForAll(rows: readonly Evaluated[], what: string): string | undefined {
  const references = rows.map(({ reference }) => reference);
  const isOneLabel =
    new Set(references.map((one) => JSON.stringify(one))).size === 1 || new Set(references.flat()).size === 1;
  if (isOneLabel || !isConstant(rows.map(({ prediction }) => prediction))) return undefined;
  const { label } = rows[0]!.prediction as { readonly label?: string };
  return `The model predicts the same${label === undefined ? "" : `, ${label},`} for all ${rows.length} ${what} rows`;
}

/** Fewer optimizer steps are few for any rows. */
const ENOUGH_STEPS = 100;

/** @param isOverfitted whether only the training rows were learned */
function adviceFor(config: RunConfig, losses: PhaseLosses, isOverfitted: boolean): string {
  const { last, risenFrom, steps, stoppedOf } = losses;
  const { rate, flag } = rateOf(config, losses.isRetraining);
  if (rate === 0) return `${flag} is 0; use one above 0`;
  if (isOverfitted)
    return `the training loss ended at ${formatNumber(last)}, so the run has overfitted its rows; use fewer --epochs, --early-stopping with --early-stopping-metric loss, or more rows`;
  if (risenFrom !== undefined)
    return `the training loss rose from ${formatNumber(risenFrom)} to ${formatNumber(last)}; use a smaller ${flag}, such as ${rounded(rate / 5)}`;
  if (stoppedOf !== undefined)
    return `early stopping ended the training after ${steps} of ${stoppedOf} steps; use a larger --early-stopping`;
  if (steps < ENOUGH_STEPS)
    return `the run had only ${steps} optimizer step${steps === 1 ? "" : "s"}; use ${longer(config, losses)}, or a smaller --batch-size`;
  return `use a larger ${flag}, such as ${rounded(rate * 5)}, or ${longer(config, losses)}`;
}

const rounded = (rate: number): number => Number(rate.toPrecision(2));

/** The setting of the length, with a value for enough steps, or for twice as many. */
function longer(config: RunConfig, { steps, isRetraining }: PhaseLosses): string {
  const { given } = config;
  const own = (["retrainSteps", "retrainEpochs"] as const).find((key) => isRetraining && given[key] !== undefined);
  const key = own ?? (given.maxSteps === undefined ? "epochs" : "maxSteps");
  const factor = Math.max(2, ENOUGH_STEPS / steps);
  return `${flagOf(key)} ${Math.ceil(config[key]! * factor)}`;
}
