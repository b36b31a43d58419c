import { join } from "node:path";
import { BidoraError } from "../../common/errors.js";
import { stopsByValidation } from "../../common/run.js";
import type { ComparedRun } from "../../files/comparison.js";
import { comparedRunsIn } from "../../files/comparisonFolder.js";
import type { RowCounts, RunEvent } from "../../files/events.js";
import type { Metrics } from "../../files/metrics.js";
import { readMetrics } from "../../files/metrics.js";
import { isFinished } from "../../files/runFolder.js";
import { EVENTS, readRunLog, secondsAtEvents, secondsOfEarlierSessions } from "../../files/runLog.js";

/** A finished run of a comparison. */
export interface CollectedRun extends ComparedRun {
  readonly folder: string;
  /** Optimizer steps over all phases, and rows passed through in them. */
  readonly steps: number;
  readonly rows: number;
  /** How many validation and test rows there were, and whether the validation rows decided when the training stopped. */
  readonly scored: Partial<RowCounts> & { readonly stopsByValidation: boolean };
  readonly evaluations: readonly (Metrics & { readonly step: number; readonly seconds: number })[];
}

/** Every finished run in a comparison's folder. */
export async function collectRuns(output: string): Promise<CollectedRun[]> {
  const found: CollectedRun[] = [];
  for (const run of comparedRunsIn(output)) {
    if (!isFinished(run.folder)) continue;
    const { events } = await readRunLog(join(run.folder, EVENTS));
    found.push({ ...run, metrics: readMetrics(run.folder), ...spentIn(events, run.folder) });
  }
  return found;
}

type Spent = Omit<CollectedRun, "task" | "method" | "seed" | "folder" | "metrics">;

/**
 * What a run's events say of its cost, over all its sessions.
 * @throws BidoraError `COMPARISON` where its beginning or its end is gone, which tell it
 */
function spentIn(events: readonly RunEvent[], folder: string): Spent {
  const start = events.find((event) => event.event === "start");
  const done = events.findLast((event) => event.event === "done");
  if (!start || !done)
    throw new BidoraError(
      "COMPARISON",
      `${join(folder, EVENTS)} has lost the ${start ? "end" : "beginning"} of its run, and with it what the run took: remove ${folder} and run it again.`,
    );
  const steps = events.filter((event) => event.event === "step");
  const before = secondsOfEarlierSessions(events);
  return {
    trainedParameters: start.parameters.trained,
    seconds: before + done.seconds,
    peakMemoryBytes: done.peakMemoryBytes,
    steps: steps.length,
    rows: steps.reduce((sum, step) => sum + step.rows, 0),
    scored: { ...start.rows, stopsByValidation: stopsByValidation(start.settings) },
    evaluations: looksIn(events),
  };
}

/**
 * What the model that a run leaves scored on the way: of a search with a retraining after it no look counts, for its directions are
 * thrown away. What was spent by then is counted from the run's first step all the same.
 */
export function looksIn(events: readonly RunEvent[]): Spent["evaluations"] {
  const seconds = secondsAtEvents(events);
  const last = events.findLast((event) => event.event === "step")?.phase;
  return events.flatMap((event, i) =>
    event.event === "evaluation" && event.phase === last
      ? [{ ...event.metrics, step: event.step, seconds: seconds[i] as number }]
      : [],
  );
}
