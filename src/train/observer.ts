import { appendWhole } from "../files/atomic.js";
import type { Phase, RunEvent } from "../files/events.js";
import { dropEventsAfter } from "../files/runLog.js";
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

/**
 * When an observer is told of an event, in this order:
 *
 * - `record`: the run log, before anybody else can fail
 * - `follow`: who looks on and changes nothing: progress, the run's own memory of itself, the profiler
 * - `measure`: evaluation, which tells of what it finds
 * - `judge`: early stopping, which may end the phase and put an earlier state back
 * - `save`: checkpoints, of the state that the judge left
 * - `keep`: the copy for a step that fails half-way, of what all others left
 */
export const STAGES = ["record", "follow", "measure", "judge", "save", "keep"] as const;

export type StagedObservers = Readonly<Record<(typeof STAGES)[number], readonly RunObserver[]>>;

/** All observers in the order in which they are told. */
export const inOrder = (staged: StagedObservers): RunObserver[] => STAGES.flatMap((stage) => staged[stage]);

/** Something that watches a run by its events: progress, the run log, evaluation, checkpoints, early stopping. */
export interface RunObserver {
  /** @param run undefined before training starts and after it ends */
  on(event: RunEvent, run: RunHandle | undefined): void | Promise<void>;
}

export interface RunLogOptions {
  /** Called once, before the first line is written. */
  readonly prepare: () => void;
  /** The step that the run goes on from: what a log that is there tells of later ones is about to be told anew. */
  readonly from: number;
}

/**
 * Appends every event to `events.jsonl`. What comes before the first step waits for it, so that a run which never gets there
 * leaves nothing.
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
