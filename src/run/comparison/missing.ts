import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { own } from "../../common/collections.js";
import type { FailedRun, MissingRuns, UnfinishedRun } from "../../files/comparison.js";
import { comparedRunsIn, type KnownFailure, plannedRuns, readFailures } from "../../files/comparisonFolder.js";
import type { RunEvent } from "../../files/events.js";
import { writerOf } from "../../files/folderLock.js";
import { isFinished } from "../../files/runFolder.js";
import { EVENTS, readRunLog } from "../../files/runLog.js";
import type { AskedFor } from "./gathered.js";

/** How a run stands that has no results. */
type Standing = Pick<UnfinishedRun, "state"> | ({ readonly state: "failed" } & Omit<FailedRun, keyof Place>);

type Place = Pick<FailedRun, "task" | "method" | "seed">;

/**
 * The runs of a comparison that have no results, by how they stand: those that are in its folder, and those that are asked for and have
 * not begun.
 */
export async function missingRuns(output: string, asked: AskedFor): Promise<MissingRuns> {
  const begun = comparedRunsIn(output);
  const isAsked = ({ task, method, seed }: Place) =>
    asked.tasks.includes(task) && asked.methods.includes(method) && (asked.seeds?.includes(seed) ?? true);
  const planned = plannedRuns(output).filter(
    (place) => isAsked(place) && !begun.some(({ folder }) => folder === place.folder),
  );
  const failures = readFailures(output);
  const [failed, unfinished]: [FailedRun[], UnfinishedRun[]] = [[], []];
  for (const { folder, ...place } of [...begun, ...planned]) {
    if (isFinished(folder)) continue;
    const standing = await standingOf(output, folder, failures);
    if (standing.state === "failed") {
      const { state: _state, ...why } = standing;
      failed.push({ ...place, ...why });
    } else unfinished.push({ ...place, state: standing.state });
  }
  return { failed, unfinished };
}

/** How a run without results stands: by who writes it, by its log, and by what the comparison saw of its process. */
export async function standingOf(output: string, folder: string, failures = readFailures(output)): Promise<Standing> {
  if (writerOf(folder)) return { state: "running" };
  const events = await eventsIn(folder);
  const known = own(failures, relative(output, folder));
  const failure = failureIn(events) ?? (known && isLatest(known, events) ? known : undefined);
  if (failure) {
    const { time: _time, ...why } = failure;
    return { state: "failed", ...why };
  }
  return { state: events.length > 0 ? "stopped" : "waiting" };
}

/** Nothing of a run without a log that can be read. */
async function eventsIn(folder: string): Promise<readonly RunEvent[]> {
  if (!existsSync(join(folder, EVENTS))) return [];
  return readRunLog(folder).then(
    ({ events }) => events,
    () => [],
  );
}

/** Of the last session, where it ended in an error. */
function failureIn(events: readonly RunEvent[]): KnownFailure | undefined {
  const last = events.findLast(({ event }) => event === "start" || event === "error");
  if (last?.event !== "error") return undefined;
  const { message, code, step, time } = last;
  return { reason: message.split("\n")[0] as string, code, ...(step !== undefined && { step }), time };
}

/** What the comparison was told says nothing of a run that went on since, in other hands. */
function isLatest({ time }: KnownFailure, events: readonly RunEvent[]): boolean {
  const last = events.at(-1);
  return last === undefined || Date.parse(last.time) <= Date.parse(time);
}

/** Whether a run failed because it diverged, as it would again. */
export const hasDiverged = ({ code }: { readonly code?: string | undefined }): boolean =>
  /NOT_FINITE$/.test(code ?? "");
