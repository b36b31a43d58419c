// What a finished run says if it has not learned anything from its rows, and which setting to change.

import { formatNumber } from "../../base/index.js";
import { type Findings, type Metrics, metricName, type Phase, type RunEvent } from "../../base/records/index.js";
import { flagOf } from "../../base/settings/index.js";
import type { RunConfig } from "../../tasks/config/index.js";
import { isConstant } from "../../tasks/index.js";
import type { RunHandle, RunObserver } from "../loop/observer.js";
import { isUnchanged } from "../steps/trainedTensors.js";
import type { Prepared } from "./prepare.js";

/** The current phase's steps, and the losses of those that this session took. */
export class PhaseLosses implements RunObserver {
  #run: RunHandle | undefined;
  #losses: number[] = [];

  on(event: RunEvent, run: RunHandle | undefined): void {
    if (event.event !== "step") return;
    if (event.phase !== this.#run?.phase) this.#losses = [];
    this.#run = run;
    this.#losses.push(event.loss);
  }

  /** The steps of the whole phase, also those before the run was resumed. */
  get steps(): number {
    return this.#run?.phaseStep ?? 0;
  }

  /** The steps that the phase would have had if early stopping had not ended it; undefined if it did not. */
  get stoppedOf(): number | undefined {
    return this.#run?.isPhaseEnd ? undefined : this.#run?.rule.steps;
  }

  get isRetraining(): boolean {
    return this.#run?.phase === "retrain";
  }

  /** The mean loss of the last tenth of the steps. */
  get last(): number {
    return mean(this.#losses.slice(-this.#tenth));
  }

  /** The mean loss of the first tenth of the steps, if the last tenth's is so much higher that the training has diverged. */
  get risenFrom(): number | undefined {
    const first = mean(this.#losses.slice(0, this.#tenth));
    return this.areMany && this.last > DIVERGED * first ? first : undefined;
  }

  /** Whether the losses say more than those of a few batches do by chance. */
  get areMany(): boolean {
    return this.#losses.length >= MANY;
  }

  /** Whether they are few of a resumed run's. */
  get areRest(): boolean {
    return !this.areMany && this.#losses.length < this.steps;
  }

  get #tenth(): number {
    return Math.ceil(this.#losses.length / 10);
  }
}

const MANY = 20;

/** A training loss that ends so many times as high as it began has diverged. */
const DIVERGED = 1.2;

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Whether the result equals the run's start. */
export const untrainedIn = ({ adapted, start }: Prepared): Pick<Findings, "untrained"> =>
  isUnchanged(adapted.trained, start) ? { untrained: true } : {};

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
  const reached = split ? (metrics[metricName("loss", split)] as number) : last;
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
  return `${flagOf(key)} ${Math.ceil((config[key] as number) * factor)}`;
}
