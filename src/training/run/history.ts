// What a run remembers of its events, in memory.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { EVENTS, type EvaluationEvent, type RunEvent, readRunLog } from "../../base/records/index.js";
import type { AdapterMetadata } from "../../models/adapters/index.js";
import { type RunConfig, upperFacts } from "../../tasks/config/index.js";
import type { RunHandle, RunObserver } from "../loop/observer.js";

/** The progress of a run, from its events. */
export class RunProgress implements RunObserver {
  /** The newest step of this session. */
  last: RunHandle | undefined;
  #evaluated: EvaluationEvent | undefined;
  /** The step of the newest checkpoint. */
  savedStep: number | undefined;

  on(event: RunEvent, run: RunHandle | undefined): void {
    if (run) this.last = run;
    if (event.event === "evaluation") this.#evaluated = event;
    if (event.event === "checkpoint") this.savedStep = event.step;
  }

  /** The evaluation after the newest step, if there was one. */
  get evaluatedAtEnd(): EvaluationEvent | undefined {
    return this.last !== undefined && this.#evaluated?.step === this.last.step ? this.#evaluated : undefined;
  }
}

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

/** The number of parts in the summary of a search. */
const PARTS = 10;

/**
 * The losses of a search. They are kept in memory because every checkpoint has a summary of them, and reading the log for each would take
 * longer with every step.
 */
export class SearchHistory implements RunObserver {
  readonly #loss: number[] = [];
  readonly #upperLoss: number[] = [];
  #retrainSteps = 0;

  /** @param from the step that a resumed run starts after; 0 for a new run */
  constructor(
    readonly config: Pick<RunConfig, "output" | "hypergradient" | "xi" | "upper">,
    readonly from: number,
  ) {}

  async on(event: RunEvent): Promise<void> {
    if (event.event === "start") await this.#readEarlierSessions();
    this.#add(event);
  }

  async #readEarlierSessions(): Promise<void> {
    const { output } = this.config;
    if (this.from === 0 || !existsSync(join(output, EVENTS))) return;
    const { events } = await readRunLog(output);
    for (const event of events) if ("step" in event && (event.step ?? 0) <= this.from) this.#add(event);
  }

  #add(event: RunEvent): void {
    if (event.event !== "step") return;
    if (event.phase === "retrain") this.#retrainSteps += 1;
    if (event.phase !== "search") return;
    this.#loss.push(event.loss);
    if (event.upperLoss !== undefined) this.#upperLoss.push(event.upperLoss);
  }

  /** The summary in the side file of a run with two levels. */
  summary(): NonNullable<AdapterMetadata["search"]> {
    const { hypergradient, xi, upper } = this.config;
    return {
      steps: this.#loss.length,
      retrainSteps: this.#retrainSteps,
      ...(!(upper && upperFacts(upper).isExplicit) && { hypergradient, xi }),
      loss: meansOfParts(this.#loss),
      upperLoss: meansOfParts(this.#upperLoss),
    };
  }
}

/** The mean of each tenth of the values, or the values themselves if there are fewer than ten. */
function meansOfParts(values: readonly number[]): number[] {
  const parts = Math.min(PARTS, values.length);
  return Array.from({ length: parts }, (_, i) => {
    const part = values.slice(Math.floor((i * values.length) / parts), Math.floor(((i + 1) * values.length) / parts));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
