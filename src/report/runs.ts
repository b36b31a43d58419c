import type { DoneEvent, ErrorEvent, Phase, RunEvent, StartEvent } from "../train/events.js";
import type { RunLog } from "./runLog.js";
import { secondsOfEarlierSessions } from "./sessions.js";

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
  return logs.map((log, index) => {
    const of: Run["of"] = (event) =>
      log.events.filter((one): one is Extract<RunEvent, { event: typeof event }> => one.event === event);
    // A run that was resumed after a failure and then ended well has not failed.
    const done = of("done").at(-1);
    const error = done ? undefined : of("error").at(-1);
    const seconds = done && secondsOfEarlierSessions(log.events) + done.seconds;
    const facts = { index, name: uniqueName(logs, index), isTorn: log.isTorn, start: of("start").at(-1) };
    return { ...facts, done, seconds, error, of };
  });
}

function uniqueName(logs: readonly RunLog[], index: number): string {
  const name = logs[index]!.name;
  const count = logs.slice(0, index + 1).filter((log) => log.name === name).length;
  return count === 1 ? name : `${name} (${count})`;
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
