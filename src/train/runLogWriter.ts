import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs";
import type { RunObserver } from "./observer.js";

/**
 * Appends every event to `events.jsonl`. What comes before the first step waits for it, so that a run which never gets there
 * leaves nothing.
 * @param prepare called once, before the first line is written
 */
export function runLogWriter(path: string, prepare: () => void): RunObserver {
  let waiting: string[] | undefined = [];
  return {
    on(event) {
      const line = `${JSON.stringify(event)}\n`;
      if (waiting && event.event !== "step") {
        waiting.push(line);
        return;
      }
      if (waiting) {
        prepare();
        cutTornLine(path);
        appendFileSync(path, waiting.join(""));
        waiting = undefined;
      }
      appendFileSync(path, line);
    },
  };
}

/** A killed run may have left half a line, which must not stand in the middle of the log. */
function cutTornLine(path: string): void {
  if (!existsSync(path)) return;
  const bytes = readFileSync(path);
  truncateSync(path, bytes.lastIndexOf(0x0a) + 1);
}
