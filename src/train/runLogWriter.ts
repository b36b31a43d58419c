import { existsSync, readFileSync } from "node:fs";
import { refuseSpecialFile } from "../common/fileSystem.js";
import { appendWhole, writeFileAtomic } from "../files/atomic.js";
import type { RunEvent } from "../files/events.js";
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
        forgetAfter(path, from);
        appendWhole(path, waiting.join(""));
        waiting = undefined;
      }
      appendWhole(path, line);
    },
  };
}

/** Leaves the events up to a step in the log; those of later steps, and a line that a killed run left torn, are lost work. */
function forgetAfter(path: string, step: number): void {
  if (!existsSync(path)) return;
  refuseSpecialFile(path);
  const lines = readFileSync(path, "utf8").split("\n");
  const kept = lines.filter((line) => {
    const event = parse(line);
    return event !== undefined && event.event !== "done" && !("step" in event && (event.step ?? 0) > step);
  });
  writeFileAtomic(path, kept.map((line) => `${line}\n`).join(""));
}

function parse(line: string): RunEvent | undefined {
  try {
    return JSON.parse(line) as RunEvent;
  } catch {
    return undefined;
  }
}
