import { appendWhole, dropEventsAfter, type Phase, type RunEvent } from "../../base/records/index.js";
import type { StepRule } from "../steps/stepRule.js";

/** An event without its time, which the run adds. */
export type Untimed<E = RunEvent> = E extends RunEvent ? Omit<E, "time"> : never;

/** A running training as observers see it. */
export interface RunHandle {
  /** The current step rule: checkpoints save its state. */
  readonly rule: StepRule;
  readonly phase: Phase;
  /** Steps done, counted through the whole run. */
  readonly step: number;
  /** Steps done in this phase. */
  readonly phaseStep: number;
  /** True after the last step of the phase. */
  readonly isPhaseEnd: boolean;
  /** True if the phase ends early after this step. */
  readonly isStopped: boolean;
  emit(event: Untimed): Promise<void>;
  /** Ends the phase after this step. */
  stop(): void;
}

/**
 * The stages in which observers receive an event, in this order:
 *
 * - `record`: the run log, before another observer can fail
 * - `follow`: observers that change nothing: progress, the run's own summary, the profiler
 * - `measure`: evaluation, which emits its metrics
 * - `judge`: early stopping, which may end the phase and restore an earlier state
 * - `save`: checkpoints, after early stopping
 * - `keep`: the copy in case the next step fails half-way, after all others
 */
export const STAGES = ["record", "follow", "measure", "judge", "save", "keep"] as const;

export type StagedObservers = Readonly<Record<(typeof STAGES)[number], readonly RunObserver[]>>;

/** All observers in the order of their stages. */
export const inOrder = (staged: StagedObservers): RunObserver[] => STAGES.flatMap((stage) => staged[stage]);

/** Receives a run's events: progress, the run log, evaluation, checkpoints, early stopping. */
export interface RunObserver {
  /** @param run undefined before training starts and after it ends */
  on(event: RunEvent, run: RunHandle | undefined): void | Promise<void>;
}

interface RunLogOptions {
  /** Called once, before the first line is written. */
  readonly prepare: () => void;
  /** The step that a resumed run starts after: later events in an existing log are removed, since they will be written again. */
  readonly from: number;
}

/**
 * Appends every event to `events.jsonl`. Events before the first step are written with it, so that a run that fails earlier leaves
 * no file.
 */
export function runLogWriter(path: string, { prepare, from }: RunLogOptions): RunObserver {
  let waiting: string[] | undefined = [];
  return {
    on(event) {
      const line = `${JSON.stringify(event)}\n`;
      if (waiting && event.event !== "step" && event.event !== "done") {
        waiting.push(line);
        return;
      }
      if (waiting) {
        prepare();
        dropEventsAfter(path, from);
        appendWhole(path, waiting.join(""));
        waiting = undefined;
      }
      appendWhole(path, line);
    },
  };
}
