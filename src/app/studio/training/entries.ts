/** The runs of the studio's folder, with what is known of each. */
import { isRunFolder } from "../../../base/records/index.js";
import type { StudioFolder } from "../folder.js";
import type { RunQueue } from "./queue.js";
import { type Failure, type FolderFacts, folderFacts, type LogFacts, logFacts } from "./runFacts.js";

/** `elsewhere`: another process writes it, such as a command in a terminal. */
type EntryState = "running" | "elsewhere" | "waiting" | "done" | "failed" | "stopped";

export interface RunEntry {
  readonly name: string;
  readonly state: EntryState;
  readonly folder: FolderFacts;
  readonly log: LogFacts | undefined;
  readonly failure: Failure | undefined;
}

/** The names of all runs that neither run nor wait, those that changed last first. */
export function endedNames(queue: RunQueue, folder: StudioFolder): string[] {
  const runs = folder.names("runs").filter((name) => isRunFolder(queue.folderOf(name)));
  const others = queue.files.names.filter((name) => !runs.includes(name)).reverse();
  const going = [...queue.waiting, queue.current?.name];
  return [...others, ...runs].filter((name) => !going.includes(name));
}

/** One run; undefined if there is none of the name. */
export async function entryOf(queue: RunQueue, name: string | undefined): Promise<RunEntry | undefined> {
  if (name === undefined) return undefined;
  const folder = folderFacts(queue.folderOf(name));
  const isCurrent = queue.current?.name === name;
  if (!folder.isRun && !queue.files.has(name) && !isCurrent) return undefined;
  // The log of a run that is written grows with each step.
  const isGoing = isCurrent || folder.writer !== undefined;
  const log = isGoing ? undefined : await logFacts(queue.folderOf(name));
  const ending = queue.files.endingOf(name);
  const failure = log?.failure ?? (ending?.message === undefined ? undefined : { message: ending.message });
  const isWaiting = queue.waiting.includes(name);
  return { name, folder, log, failure, state: stateOf() };

  function stateOf(): EntryState {
    if (isCurrent) return "running";
    if (folder.writer !== undefined) return "elsewhere";
    if (folder.isFinished) return "done";
    if (isWaiting) return "waiting";
    return failure ? "failed" : "stopped";
  }
}
