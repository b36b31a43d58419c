import { join } from "node:path";
import { BidoraError, stopsByValidation } from "../../base/index.js";
import {
  type ComparedRun,
  comparedRunsIn,
  EVENTS,
  type Findings,
  isFinished,
  type Metrics,
  type RowCounts,
  type RunEvent,
  readFindings,
  readMetrics,
  readPredictions,
  readRunLog,
  type StartEvent,
  secondsAtEvents,
  secondsOfEarlierSessions,
} from "../../base/records/index.js";
import { constantRows } from "../../training/run/index.js";
import { conditionsOf } from "./conditions.js";

/** A finished run of a comparison. */
export interface CollectedRun extends ComparedRun {
  readonly folder: string;
  /** Optimizer steps of all phases, and the rows that they trained on. */
  readonly steps: number;
  readonly rows: number;
  /** The number of validation and test rows, and whether early stopping used the validation rows. */
  readonly scored: Partial<RowCounts> & { readonly stopsByValidation: boolean };
  readonly evaluations: readonly (Metrics & { readonly step: number; readonly seconds: number })[];
}

/** Every finished run in a comparison's folder. */
export async function collectRuns(output: string): Promise<CollectedRun[]> {
  const found: CollectedRun[] = [];
  for (const run of comparedRunsIn(output)) {
    if (!isFinished(run.folder)) continue;
    const { events } = await readRunLog(join(run.folder, EVENTS));
    const spent = spentIn(events, run.folder);
    found.push({ ...run, metrics: readMetrics(run.folder), ...(await findingsOf(run.folder)), ...spent });
  }
  return found;
}

/** Earlier versions did not write whether predictions are constant. */
async function findingsOf(folder: string): Promise<Findings> {
  const written = readFindings(folder);
  if (written.constant || written.constantLabels) return written;
  const splits = [await readPredictions(folder, "validation"), await readPredictions(folder, "test")];
  return { ...constantRows(splits.flatMap((found) => (found ? [[found.split, found.rows]] : []))), ...written };
}

type RunCost = Omit<CollectedRun, "task" | "method" | "seed" | "folder" | "metrics" | keyof Findings>;

/**
 * The cost of a run over all its sessions, from its events.
 * @throws BidoraError `COMPARISON` if the log has lost its beginning or its end
 */
function spentIn(events: readonly RunEvent[], folder: string): RunCost {
  const start = events.find((event) => event.event === "start");
  const done = events.findLast((event) => event.event === "done");
  if (!start || !done)
    throw new BidoraError(
      "COMPARISON",
      `${join(folder, EVENTS)} has lost the ${start ? "end" : "beginning"} of its run, which holds the run's cost: remove ${folder} and run it again.`,
    );
  const steps = events.filter((event) => event.event === "step");
  return {
    trainedParameters: start.parameters.trained,
    seconds: secondsOfEarlierSessions(events) + done.seconds,
    peakMemoryBytes: done.peakMemoryBytes,
    steps: steps.length,
    rows: steps.reduce((sum, step) => sum + step.rows, 0),
    scored: { ...start.rows, stopsByValidation: stopsByValidation(start.settings) },
    evaluations: evaluationsIn(events),
    conditions: conditionsOf(events.findLast((event): event is StartEvent => event.event === "start") ?? start),
  };
}

/**
 * The evaluations of the final phase, whose model a run ends with: a search's directions are thrown away when it is followed by a retrain
 * phase. Their cost is still counted from the run's first step.
 */
export function evaluationsIn(events: readonly RunEvent[]): RunCost["evaluations"] {
  const seconds = secondsAtEvents(events);
  const last = events.findLast((event) => event.event === "step")?.phase;
  return events.flatMap((event, i) =>
    event.event === "evaluation" && event.phase === last
      ? [{ ...event.metrics, step: event.step, seconds: seconds[i] as number }]
      : [],
  );
}
