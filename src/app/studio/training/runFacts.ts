/** What a run's folder tells about it. */
import { join } from "node:path";
import { formatNumber, own, words } from "../../../base/index.js";
import {
  EVENTS,
  type Goal,
  isFinished,
  isRunFolder,
  type Metrics,
  newestCheckpoint,
  ofClass,
  type RunLog,
  readMetrics,
  readRunLog,
  writerOf,
} from "../../../base/records/index.js";
import { fileState, Kept } from "../kept.js";
import type { OfRows } from "./scoredRows.js";

/** Why a run failed, as its log has it. */
export interface Failure {
  readonly message: string;
  readonly code?: string | undefined;
}

/** What the log of a run sums up to. */
export interface LogFacts {
  readonly method: string | undefined;
  readonly model: string | undefined;
  /** The settings that say which rows it was scored on. */
  readonly ofRows: OfRows;
  /** The last completed step, and the planned ones. */
  readonly step: number;
  readonly steps: number;
  readonly failure: Failure | undefined;
  /** Seconds of the last session of a finished run, and its memory. */
  readonly seconds: number | undefined;
  readonly peakMemoryBytes: number | undefined;
  readonly trainedParameters: number | undefined;
  /** The metric by which it is judged, and which way is better. */
  readonly judgedBy: { readonly metric: string; readonly goal: Goal } | undefined;
  /** The label that F1 is of, of two. */
  readonly positiveLabel: string | undefined;
  /** The metrics of the constant that the training rows' labels suggest, and of the model before its first step. */
  readonly majority: Metrics | undefined;
  readonly start: Metrics | undefined;
}

/** The facts of a log. */
export function factsOf({ events }: RunLog): LogFacts {
  const start = events.findLast((event) => event.event === "start");
  const done = events.findLast((event) => event.event === "done");
  const ended = events.findLast(({ event }) => event === "start" || event === "error" || event === "done");
  const first = events.findLast((event) => event.event === "evaluation" && event.step === 0);
  const text = (key: string): string | undefined => {
    const value = own(start?.settings ?? {}, key);
    return typeof value === "string" ? value : undefined;
  };
  return {
    ...{ method: text("method"), model: text("model"), ofRows: start?.settings ?? {} },
    step: events.findLast((event) => event.event === "step")?.step ?? 0,
    steps: Object.values(start?.steps ?? {}).reduce((sum, steps) => sum + steps, 0),
    failure: ended?.event === "error" ? { message: ended.message.split("\n")[0]!, code: ended.code } : undefined,
    ...{ seconds: done?.seconds, peakMemoryBytes: done?.peakMemoryBytes, majority: done?.majority },
    trainedParameters: start?.parameters.trained,
    ...{ judgedBy: start?.judgedBy, positiveLabel: text("positiveLabel") },
    start: first?.event === "evaluation" ? first.metrics : undefined,
  };
}

/** What a score is compared with. */
export const baselinesOf = (log: LogFacts | undefined): (readonly [name: string, metrics: Metrics])[] =>
  (
    [
      ["Always the same answer", log?.majority],
      ["Before training", log?.start],
    ] as const
  ).flatMap(([name, metrics]) => (metrics ? [[name, metrics] as const] : []));

/** A metric's name, which says of F1 whose it is. */
export const titleOf = (metric: string, log: LogFacts | undefined): string =>
  `${words(metric)}${ofClass(metric, log?.positiveLabel)}`;

/** A score beside those of the baselines: `F1 of spam 0.94 (always the same answer 0, before training 0.21)`. */
export function scoreText(metric: string, metrics: Metrics, log: LogFacts | undefined): string {
  const known = baselinesOf(log).filter(([, values]) => own(values, metric) !== undefined);
  const beside = known.map(([name, values]) => `${name.toLowerCase()} ${formatNumber(values[metric]!)}`);
  return `${titleOf(metric, log)} ${formatNumber(metrics[metric]!)}${beside.length > 0 ? ` (${beside.join(", ")})` : ""}`;
}

/** What is known of a run without its log. */
export interface FolderFacts {
  readonly isRun: boolean;
  readonly isFinished: boolean;
  /** Whether there is a checkpoint from which it can go on. */
  readonly hasState: boolean;
  /** The process that writes there. */
  readonly writer: number | undefined;
  readonly metrics: Metrics;
}

export function folderFacts(folder: string): FolderFacts {
  const isDone = isFinished(folder);
  return {
    isRun: isRunFolder(folder),
    isFinished: isDone,
    hasState: isRunFolder(folder) && newestCheckpoint(folder) !== undefined,
    writer: writerOf(folder)?.pid,
    metrics: isDone ? readMetrics(folder) : {},
  };
}

/** Changes whenever the log does; undefined without one. */
export const logVersion = (folder: string): string | undefined => fileState(join(folder, EVENTS))?.join(" ");

const logs = new Kept<Promise<LogFacts | undefined>>();

/** The facts of the log in a run's folder; undefined without a readable one. */
export async function logFacts(folder: string): Promise<LogFacts | undefined> {
  const state = fileState(join(folder, EVENTS));
  return state && logs.of(folder, state, () => readRunLog(folder).then(factsOf, () => undefined));
}
