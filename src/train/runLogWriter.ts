import { appendWhole } from "../files/atomic.js";
import { dropEventsAfter } from "../files/runLog.js";
import type { RunObserver } from "./observer.js";

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
