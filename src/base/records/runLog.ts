// events.jsonl, the log of a run: one event per line.
import { existsSync, readFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { BidoraError } from "../errors.js";
import { refuseSpecialFile } from "../fileSystem.js";
import { writeFileAtomic } from "./atomic.js";
import type { EventName, RunEvent } from "./events.js";
import { parsedJson } from "./json.js";
import { type RunPredictions, readRunPredictions } from "./predictions.js";

export const EVENTS = "events.jsonl";

/** The events of a run, in order. */
export interface RunLog {
  /** Name of the run's folder. */
  readonly name: string;
  /** The folders in its path; the last one is its own. */
  readonly place?: readonly string[];
  readonly events: readonly RunEvent[];
  /** Whether the last line is incomplete, because the run was killed while writing or is still writing. */
  readonly isTorn: boolean;
  /** Its predictions, if requested. */
  readonly predictions?: RunPredictions;
}

/** The known events, each with its required fields that are objects. */
const FIELDS: { readonly [E in EventName]: readonly (keyof Extract<RunEvent, { event: E }>)[] } = {
  start: ["versions", "machine", "settings", "parameters"],
  step: [],
  evaluation: ["metrics"],
  magnitudes: ["layers"],
  checkpoint: [],
  done: ["metrics"],
  error: [],
};

/**
 * Reads the log of a run from its folder or from its `events.jsonl`. An incomplete last line is left out. Steps that a resumed run
 * repeated replace the lost ones. Throws RUN_LOG for a missing file, an invalid line and an empty log.
 */
export async function readRunLog(path: string): Promise<RunLog> {
  const file = (await isFolder(path)) ? join(path, EVENTS) : path;
  refuseSpecialFile(file);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new BidoraError(
      "RUN_LOG",
      `Expected a run's folder with its events.jsonl, or that file: ${file} can't be read. Name the folder given to --output.`,
      { cause },
    );
  });
  const { events, isTorn } = parseLines(text, file);
  if (events.length === 0) {
    throw new BidoraError("RUN_LOG", `Expected a run's events in ${file}, but it has none: the run has not started.`);
  }
  const place = dirname(resolve(file)).split(sep);
  return { name: place.at(-1) ?? "", place, events: withoutLostSteps(events), isTorn };
}

/** The same, with the run's predictions. */
export async function readRun(path: string): Promise<RunLog> {
  const log = await readRunLog(path);
  return { ...log, predictions: await readRunPredictions((await isFolder(path)) ? path : dirname(path)) };
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function parseLines(text: string, file: string): { events: RunEvent[]; isTorn: boolean } {
  const lines = text.split("\n");
  const last = lines.findLastIndex((line) => line.trim() !== "");
  const events: RunEvent[] = [];
  for (const [index, line] of lines.slice(0, last + 1).entries()) {
    if (line.trim() === "") continue;
    const value = parseObject(line);
    if (value === undefined && index === last) return { events, isTorn: true };
    if (value === undefined || typeof value.event !== "string") throw brokenLine(file, index);
    // Events of later versions are ignored.
    if (!Object.hasOwn(FIELDS, value.event)) continue;
    if (FIELDS[value.event as EventName].some((field) => !isObject(value[field]))) throw brokenLine(file, index);
    events.push(value as unknown as RunEvent);
  }
  return { events, isTorn: false };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  const value = parsedJson(line);
  return isObject(value) ? value : undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

const brokenLine = (file: string, index: number): BidoraError =>
  new BidoraError(
    "RUN_LOG",
    `Expected one complete event per line in ${file}, but line ${index + 1} is not one; remove that line, or run again.`,
  );

/** Removes what a resumed run repeats: events of later steps, the end of the run, and an incomplete last line of a killed run. */
export function dropEventsAfter(path: string, step: number): void {
  if (!existsSync(path)) return;
  refuseSpecialFile(path);
  const lines = readFileSync(path, "utf8").split("\n");
  const kept = lines.filter((line) => {
    const event = parseObject(line);
    return event !== undefined && event.event !== "done" && !(Number(event.step ?? 0) > step);
  });
  writeFileAtomic(path, kept.map((line) => `${line}\n`).join(""));
}

/** A run that resumes from a checkpoint repeats the steps after it. Only the last repetition counts. */
function withoutLostSteps(events: readonly RunEvent[]): RunEvent[] {
  let firstLater = Number.POSITIVE_INFINITY;
  const kept: RunEvent[] = [];
  for (const event of events.toReversed()) {
    const step = "step" in event ? event.step : undefined;
    if (step !== undefined && step >= firstLater) continue;
    kept.push(event);
    if (event.event === "start") firstLater = Math.min(firstLater, firstStep(kept));
  }
  return kept.reverse();
}

/** The first step of the events in a reversed list. */
function firstStep(backwards: readonly RunEvent[]): number {
  const first = backwards.findLast((event) => event.event === "step");
  return first?.step ?? Number.POSITIVE_INFINITY;
}

/**
 * The seconds of all sessions of a run but the last: from each start to the last event before the next start. The seconds of the last
 * session are in its `done` event.
 */
export function secondsOfEarlierSessions(events: readonly RunEvent[]): number {
  const starts = events.flatMap((event, i) => (event.event === "start" ? [i] : []));
  const at = (i: number) => timeOf(events[i]);
  // A clock that was set back meanwhile must not take away from other sessions.
  return starts.slice(1).reduce((sum, next, i) => sum + Math.max(0, at(next - 1) - at(starts[i] as number)), 0);
}

/** The seconds of all sessions of a run, finished or not; null if it has not begun. */
export function secondsSpent(events: readonly RunEvent[]): number | null {
  const start = events.findLast(({ event }) => event === "start");
  if (start === undefined) return null;
  const done = events.findLast((event) => event.event === "done");
  const last = done?.seconds ?? Math.max(0, timeOf(events.at(-1)) - timeOf(start));
  return secondsOfEarlierSessions(events) + last;
}

/**
 * For each event of a finished run, the seconds until then over all sessions, on the same clock as the `seconds` of `done`. Time
 * between sessions does not count.
 */
export function secondsAtEvents(events: readonly RunEvent[]): number[] {
  const starts = events.filter(({ event }) => event === "start");
  const done = events.findLast((event) => event.event === "done");
  // The clock of a run starts a little before its `start` event.
  const lastBegan = timeOf(done) - (done?.seconds ?? Number.NaN);
  const began = starts.map((start, session) => (session === starts.length - 1 ? lastBegan : timeOf(start)));
  let [session, before] = [-1, 0];
  return events.map((event, i) => {
    if (event.event === "start") {
      if (session >= 0) before += timeOf(events[i - 1]) - (began[session] as number);
      session++;
    }
    return before + timeOf(event) - (began[session] ?? Number.NaN);
  });
}

const timeOf = (event: RunEvent | undefined): number => Date.parse(event?.time ?? "") / 1000;
