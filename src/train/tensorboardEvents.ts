// TensorFlow's messages Event, Summary and SessionLog (event.proto, summary.proto), as far as curves need them.
import { PbfWriter } from "pbf";

const VERSION = "brain.Event:2";
/** SessionLog.SessionStatus. */
const START = 1;

/** Field numbers of Event. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;

/** When something was, in seconds since 1970. */
export interface WallTimed {
  readonly wallTime: number;
}

/** The first event of a file. */
export function versionEvent({ wallTime }: WallTimed): Uint8Array {
  const event = begin(wallTime);
  event.writeStringField(EVENT.fileVersion, VERSION);
  return event.finish();
}

/** Says that what earlier files tell of this step and of later ones is about to be told anew. */
export function restartEvent({ wallTime, step }: WallTimed & { readonly step: number }): Uint8Array {
  const event = begin(wallTime);
  event.writeVarintField(EVENT.step, step);
  event.writeMessage(EVENT.sessionLog, (status: number, log) => log.writeVarintField(1, status), START);
  return event.finish();
}

/** Numbers of one step by their tags, in float32. */
export function scalarsEvent(
  { wallTime, step }: WallTimed & { readonly step: number },
  scalars: readonly (readonly [tag: string, value: number])[],
): Uint8Array {
  const event = begin(wallTime);
  event.writeVarintField(EVENT.step, step);
  event.writeMessage(EVENT.summary, writeSummary, scalars);
  return event.finish();
}

function begin(wallTime: number): PbfWriter {
  const event = new PbfWriter();
  event.writeDoubleField(EVENT.wallTime, wallTime);
  return event;
}

function writeSummary(scalars: readonly (readonly [tag: string, value: number])[], summary: PbfWriter): void {
  for (const scalar of scalars) summary.writeMessage(1, writeValue, scalar);
}

function writeValue([tag, value]: readonly [tag: string, value: number], summary: PbfWriter): void {
  summary.writeStringField(1, tag);
  summary.writeFloatField(2, value);
}
