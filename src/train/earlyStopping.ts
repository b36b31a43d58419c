import type { TrainedTensor } from "../adapters/index.js";
import type { Phase } from "./events.js";
import type { RunObserver } from "./observer.js";
import { disposeSnapshot, putBack, type Snapshot, takeSnapshot } from "./trained.js";

export interface EarlyStoppingOptions {
  /** Evaluations without a better result after which a phase ends. */
  readonly patience: number;
  readonly metric: string;
  readonly goal: "maximize" | "minimize";
  readonly trained: readonly TrainedTensor[];
}

export interface EarlyStoppingState {
  readonly phase: Phase | undefined;
  readonly best: number;
  readonly failures: number;
}

/** Watches the main metric in each phase; ends the phase when it no longer gets better, with the best state put back. */
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
    if (event.event === "evaluation") this.#observe(event.phase, event.metrics[this.options.metric] ?? Number.NaN);
    if (event.event !== "step" || !run) return;
    const isOver = this.#phase === event.phase && this.#failures >= this.options.patience;
    if (isOver) run.stop();
    if ((isOver || run.isPhaseEnd) && this.#phase === event.phase && this.#snapshot)
      putBack(this.options.trained, this.#snapshot);
  }

  #observe(phase: Phase, value: number): void {
    const isBetter = this.options.goal === "maximize" ? value > this.#best : value < this.#best;
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
