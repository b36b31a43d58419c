// What a finished run says if it has not learned anything from its rows, and which setting to change.

import { formatNumber } from "../common/format.js";
import type { RunConfig } from "../config/index.js";
import type { Phase, RunEvent } from "../files/events.js";
import type { Findings, Metrics } from "../files/metrics.js";
import { metricName } from "../files/metrics.js";
import { flagOf } from "../settings/option.js";
import { isConstant } from "../tasks/index.js";
import type { RunObserver } from "../train/observer.js";
import { isUnchanged } from "../train/trainedTensors.js";
import type { Prepared } from "./prepare.js";

/** The losses of the current phase's steps, as far as this session took them. */
export class PhaseLosses implements RunObserver {
  #phase: Phase | undefined;
  #losses: number[] = [];

  on(event: RunEvent): void {
    if (event.event !== "step") return;
    if (event.phase !== this.#phase) this.#losses = [];
    this.#phase = event.phase;
    this.#losses.push(event.loss);
  }

  get steps(): number {
    return this.#losses.length;
  }

  get isRetraining(): boolean {
    return this.#phase === "retrain";
  }

  /** The mean loss of the first and of the last tenth of the steps. */
  get ends(): { readonly first: number; readonly last: number } {
    const tenth = Math.ceil(this.#losses.length / 10);
    return { first: mean(this.#losses.slice(0, tenth)), last: mean(this.#losses.slice(-tenth)) };
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Whether the result equals the run's start. */
export const untrainedIn = ({ adapted, start }: Prepared): Pick<Findings, "untrained"> =>
  isUnchanged(adapted.trained, start) ? { untrained: true } : {};

/** A sentence for a result that equals the run's start. @param phaseSteps the steps of its last phase */
export function untrainedNote({ learningRate, warmupRatio }: RunConfig, phaseSteps: number): string {
  const found = "The model is untrained: no trained tensor differs from its start";
  if (learningRate === 0) return `${found}, since --learning-rate is 0: use a larger one.`;
  if (phaseSteps <= 1 && warmupRatio > 0)
    return `${found}, since its only step is the first of the warm-up, with a learning rate of 0: use more --epochs or --max-steps, or --warmup-ratio 0.`;
  return `${found}: use a larger --learning-rate.`;
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
  if (losses.steps === 0) return undefined;
  const { last } = losses.ends;
  const what = split === undefined ? "training" : split === "holdout" ? "held-out" : "validation";
  const found = split && evaluatedOn(split);
  const reached = split ? (metrics[metricName("loss", split)] as number) : last;
  const constant = found && sameForAll(found, what);
  const baseline = rows.length < FEWEST_ROWS ? undefined : choice.task.constantLoss?.(data.train, rows);
  const isBelow = baseline === undefined || reached < CLEARLY * baseline;
  if (constant === undefined && isBelow) return undefined;
  const why =
    constant ??
    `The ${what} loss, ${formatNumber(reached)}, is not clearly below ${formatNumber(baseline as number)}, that of predicting the labels' frequencies for every row`;
  const isFitted = baseline !== undefined && split !== undefined && last < CLEARLY * baseline;
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
/** A training loss that ends so many times as high as it began has diverged; over fewer steps that is chance. */
const DIVERGED = { times: 1.2, steps: 20 };

/** @param isOverfitted whether only the training rows were learned */
function adviceFor(config: RunConfig, losses: PhaseLosses, isOverfitted: boolean): string {
  const { first, last } = losses.ends;
  const rate = losses.isRetraining ? "retrainLearningRate" : "learningRate";
  const named = flagOf(config.given[rate] === undefined ? "learningRate" : rate);
  if (isOverfitted)
    return `the training loss ended at ${formatNumber(last)}, so the run has overfitted its rows; use fewer --epochs, --early-stopping with --early-stopping-metric loss, or more rows`;
  if (losses.steps >= DIVERGED.steps && last > DIVERGED.times * first)
    return `the training loss rose from ${formatNumber(first)} to ${formatNumber(last)}; use a smaller ${named}, such as ${rounded(config[rate] / 5)}`;
  if (losses.steps < ENOUGH_STEPS)
    return `the run had only ${losses.steps} optimizer step${losses.steps === 1 ? "" : "s"}; use ${longer(config, losses)}, or a smaller --batch-size`;
  return `use a larger ${named}, such as ${rounded(config[rate] * 5)}, or ${longer(config, losses)}`;
}

const rounded = (rate: number): number => Number(rate.toPrecision(2));

/** The setting of the length, with a value for enough steps, or for twice as many. */
function longer(config: RunConfig, { steps, isRetraining }: PhaseLosses): string {
  const { given } = config;
  const own = (["retrainSteps", "retrainEpochs"] as const).find((key) => isRetraining && given[key] !== undefined);
  const key = own ?? (given.maxSteps === undefined ? "epochs" : "maxSteps");
  const factor = Math.max(2, ENOUGH_STEPS / steps);
  return `${flagOf(key)} ${Math.ceil((config[key] as number) * factor)}`;
}
