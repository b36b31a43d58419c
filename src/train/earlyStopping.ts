import type { TrainedTensor } from "../adapters/index.js";
import type { Phase, RunEvent } from "../files/events.js";
import type { RunObserver } from "./observer.js";
import { disposeSnapshot, putBack, type Snapshot, takeSnapshot } from "./trained.js";

/** What a phase is judged by. */
export interface Judge {
  /** Values without a better one after which the phase ends. */
  readonly patience: number;
  readonly goal: "maximize" | "minimize";
  /** The value that an event tells; undefined for one that tells none. */
  valueOf(event: RunEvent): number | undefined;
}

export interface EarlyStoppingOptions {
  /** A phase without one is left alone. */
  readonly judges: Readonly<Partial<Record<Phase, Judge>>>;
  readonly trained: readonly TrainedTensor[];
}

export interface EarlyStoppingState {
  readonly phase: Phase | undefined;
  readonly best: number;
  readonly failures: number;
}

/** Judges a phase by a metric of its evaluations. */
export const byMetric = (metric: string, options: Omit<Judge, "valueOf">): Judge => ({
  ...options,
  valueOf: (event) => (event.event === "evaluation" ? (event.metrics[metric] ?? Number.NaN) : undefined),
});

/** Judges a search by the mean loss of each pass over the upper level's rows. */
export const byUpperLoss = (patience: number): Judge => ({
  patience,
  goal: "minimize",
  valueOf: (event) => (event.event === "step" ? event.upperPassLoss : undefined),
});

/** Watches a value in each phase; ends the phase when it no longer gets better, with the best state put back. */
export class EarlyStopping implements RunObserver {
  #phase: Phase | undefined;
  #best = Number.NaN;
  #failures = 0;
  #snapshot: Snapshot | undefined;

  constructor(readonly options: EarlyStoppingOptions) {}

  /** The best state of the present phase. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  get state(): EarlyStoppingState {
    return { phase: this.#phase, best: this.#best, failures: this.#failures };
  }

  restore(state: EarlyStoppingState, snapshot: Snapshot): void {
    this.#phase = state.phase;
    this.#best = state.best;
    this.#failures = state.failures;
    this.#snapshot = snapshot;
  }

  on(...[event, run]: Parameters<RunObserver["on"]>): void {
    if (event.event !== "evaluation" && event.event !== "step") return;
    const judge = this.options.judges[event.phase];
    if (!judge) return;
    const value = judge.valueOf(event);
    if (value !== undefined) this.#observe(event.phase, value, judge);
    if (event.event !== "step" || !run) return;
    const isOver = this.#phase === event.phase && this.#failures >= judge.patience;
    if (isOver) run.stop();
    if ((isOver || run.isPhaseEnd) && this.#phase === event.phase && this.#snapshot)
      putBack(this.options.trained, this.#snapshot);
  }

  #observe(phase: Phase, value: number, { goal }: Judge): void {
    const isBetter = goal === "maximize" ? value > this.#best : value < this.#best;
    if (phase === this.#phase && !isBetter) {
      this.#failures += 1;
      return;
    }
    disposeSnapshot(this.#snapshot);
    this.#snapshot = takeSnapshot(this.options.trained);
    this.#phase = phase;
    this.#best = value;
    this.#failures = 0;
  }
}
