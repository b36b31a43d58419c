import { appendFileSync, existsSync, readFileSync, statSync, truncateSync } from "node:fs";
import { refuseSpecialFile } from "../common/inputFile.js";
import { writeFileAtomic } from "../io/atomic.js";
import { writeFailure } from "../io/writeFailure.js";
import type { RunEvent } from "./events.js";
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
        append(path, waiting.join(""));
        waiting = undefined;
      }
      append(path, line);
    },
  };
}

/** Whole or not at all, as far as a full disk lets it: what is told later stands on lines of its own. */
function append(path: string, lines: string): void {
  let size: number | undefined;
  try {
    size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    appendFileSync(path, lines);
  } catch (error) {
    cutTo(path, size);
    throw writeFailure(path, error);
  }
}

/** What goes wrong here has a reason that has been told. */
function cutTo(path: string, size: number | undefined): void {
  try {
    if (size !== undefined) truncateSync(path, size);
  } catch {}
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
