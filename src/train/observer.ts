import type { Phase, RunEvent } from "./events.js";
import type { StepRule } from "./stepRule.js";

/** An event without the time, which the run adds. */
export type Untimed<E = RunEvent> = E extends RunEvent ? Omit<E, "time"> : never;

/** What an observer may do to a run in training. */
export interface RunHandle {
  /** The rule in charge: its state is what a checkpoint saves. */
  readonly rule: StepRule;
  readonly phase: Phase;
  /** Steps done, counted through the whole run. */
  readonly step: number;
  /** Steps done in this phase. */
  readonly phaseStep: number;
  /** True after the last step of the phase. */
  readonly isPhaseEnd: boolean;
  /** True when the phase ends after this step although it is not its last. */
  readonly isStopped: boolean;
  emit(event: Untimed): Promise<void>;
  /** Ends the phase after this step. */
  stop(): void;
}

/** Something that watches a run by its events: progress, the run log, evaluation, checkpoints, early stopping. */
export interface RunObserver {
  /** @param run undefined before training starts and after it ends */
  on(event: RunEvent, run: RunHandle | undefined): void | Promise<void>;
}
