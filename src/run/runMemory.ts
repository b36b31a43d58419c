import type { EvaluationEvent, RunEvent } from "../files/events.js";
import type { RunHandle, RunObserver } from "../train/observer.js";

/** How far a run has come, by its own events. */
export class RunMemory implements RunObserver {
  /** Of the newest step of this session. */
  last: RunHandle | undefined;
  evaluated: EvaluationEvent | undefined;
  /** The step whose checkpoint was written last. */
  savedStep: number | undefined;

  on(event: RunEvent, run: RunHandle | undefined): void {
    if (run) this.last = run;
    if (event.event === "evaluation") this.evaluated = event;
    if (event.event === "checkpoint") this.savedStep = event.step;
  }
}
