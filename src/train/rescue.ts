import { checkpointPath, newestCheckpoint } from "../files/checkpointState.js";
import { type CheckpointOptions, saveCheckpoint } from "./checkpoints.js";
import type { LastGood } from "./lastGood.js";

/**
 * Keeps the last good state of a run that has failed as a checkpoint.
 * @param savedStep the step whose checkpoint this run has written already
 * @returns a sentence that says where it can go on from, or undefined where it had not begun
 */
export async function rescue(
  lastGood: LastGood,
  options: CheckpointOptions,
  savedStep: number | undefined,
): Promise<string | undefined> {
  const good = lastGood.restore();
  // A second failure on the way must not hide the first; what is there in the end is what counts.
  if (good && good.step !== savedStep) await saveCheckpoint(options, good).catch(() => {});
  const newest = newestOf(options.folder);
  if (newest === undefined) return good && "Its state could not be saved.";
  const isThis = good !== undefined && newest === checkpointPath(options.folder, good.step);
  return `${isThis ? `The state after step ${good.step}` : "An earlier state"} is kept: --resume goes on from ${newest}.`;
}

function newestOf(folder: string): string | undefined {
  try {
    return newestCheckpoint(folder);
  } catch {
    return undefined;
  }
}

/** The error with a sentence after its own, in its first line, which is what people are shown. */
export function withNote(thrown: unknown, note: string | undefined): Error {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
  if (note === undefined) return error;
  const [first = "", ...rest] = error.message.split("\n");
  const message = [`${first}${/[.!?]$/.test(first) ? "" : "."} ${note}`, ...rest].join("\n");
  Object.defineProperty(error, "message", { value: message, configurable: true, writable: true });
  return error;
}
