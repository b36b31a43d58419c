import { group } from "d3-array";
import type { DoneEvent, ErrorEvent, Phase, RunEvent, StartEvent } from "../files/events.js";
import type { RunLog } from "../files/runLog.js";
import { secondsOfEarlierSessions } from "../files/runLog.js";

/** A run with its events by kind, its number in the report, and a name that no other run has. */
export interface Run {
  readonly index: number;
  readonly name: string;
  readonly isTorn: boolean;
  readonly start: StartEvent | undefined;
  readonly done: DoneEvent | undefined;
  /** Of a run that has ended, in all its sessions. */
  readonly seconds: number | undefined;
  readonly error: ErrorEvent | undefined;
  of<E extends RunEvent["event"]>(event: E): readonly Extract<RunEvent, { event: E }>[];
}

/** One point of a curve. A phase is a curve of its own: losses of search and retraining don't join. */
export interface Point {
  readonly run: string;
  readonly phase: Phase;
  readonly step: number;
  readonly value: number;
}

export function toRuns(logs: readonly RunLog[]): Run[] {
  const names = uniqueNames(logs);
  return logs.map((log, index) => {
    const byKind = group(log.events, ({ event }) => event);
    const of = (<E extends RunEvent["event"]>(event: E) => byKind.get(event) ?? []) as Run["of"];
    // A run that was resumed after a failure and then ended well has not failed.
    const done = of("done").at(-1);
    const error = done ? undefined : of("error").at(-1);
    const seconds = done && secondsOfEarlierSessions(log.events) + done.seconds;
    const facts = { index, name: names[index]!, isTorn: log.isTorn, start: of("start").at(-1) };
    return { ...facts, done, seconds, error, of };
  });
}

/** The names of runs; of those that share one each with as much of its path as sets it apart, and a number where nothing does. */
function uniqueNames(logs: readonly RunLog[]): string[] {
  const names = logs.map((log) =>
    nameAmong(
      log,
      logs.filter(({ name }) => name === log.name),
    ),
  );
  return names.map((name, i) => {
    const count = names.slice(0, i + 1).filter((one) => one === name).length;
    return count === 1 ? name : `${name} (${count})`;
  });
}

/** All namesakes get paths of one length. */
function nameAmong(log: RunLog, namesakes: readonly RunLog[]): string {
  const tail = ({ name, place = [] }: RunLog, depth: number) => (depth === 1 ? name : place.slice(-depth).join("/"));
  const places = new Set(namesakes.map((one) => tail(one, Number.POSITIVE_INFINITY)));
  const longest = Math.max(...namesakes.map(({ place = [] }) => place.length), 1);
  for (let depth = 1; depth < longest; depth++)
    if (new Set(namesakes.map((one) => tail(one, depth))).size === places.size) return tail(log, depth);
  return tail(log, longest);
}

/** An event that stands on the step axis. */
type Placed = Extract<RunEvent, { readonly phase: Phase; readonly step: number }>;

/** A field of a run's events as a curve; what is missing or not finite leaves no point. */
export function pointsOf<T extends Placed>(
  run: Run,
  events: readonly T[],
  read: (event: T) => number | undefined,
): Point[] {
  return events.flatMap((event) => {
    const value = read(event);
    const isPoint = Number.isFinite(value) && Number.isFinite(event.step);
    return isPoint ? [{ run: run.name, phase: event.phase, step: event.step, value: value! }] : [];
  });
}
