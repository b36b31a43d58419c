// Writes a run's numbers as TensorBoard event files: the observer, the events as protocol buffers, and the records of the file.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { PbfWriter } from "pbf";
import { makeFolder } from "../../base/index.js";
import {
  appendWhole,
  bareMetric,
  type EvaluationEvent,
  eventFileName,
  eventFileSeconds,
  metricRows,
  type RunEvent,
  type StepEvent,
} from "../../base/records/index.js";
import type { RunHandle, RunObserver } from "../loop/observer.js";

/** Where the files go, and what a run writes to them. */
export interface TensorboardOptions {
  /** The folder of the files, for TensorBoard's `--logdir`. */
  readonly folder: string;
  /** The step that a resumed run starts after; 0 for a new run. */
  readonly from: number;
  /** The rows that evaluations during training use. */
  readonly evaluated: "validation" | "holdout";
  /** Whether the run's folder may be written to. */
  readonly isPrepared: () => boolean;
}

type Scalars = readonly (readonly [tag: string, value: number])[];

/**
 * Writes a run's numbers for TensorBoard: losses, rates and norms of steps under `train/`, metrics under the name of their rows. A
 * resumed run writes a new file, which tells TensorBoard to drop the steps after the checkpoint from earlier files.
 */
export function tensorboardWriter({ folder, from, evaluated, isPrepared }: TensorboardOptions): RunObserver {
  const waiting: Uint8Array[] = [];
  let path: string | undefined;
  return {
    on(event, run) {
      const record = recordOf(event, run, evaluated);
      if (record) waiting.push(record);
      if (waiting.length === 0 || !isPrepared()) return;
      path ??= createFile(folder, event.time, from);
      appendWhole(path, Buffer.concat(waiting.splice(0)));
    },
  };
}

const secondsOf = (time: string): number => Date.parse(time) / 1000;

function recordOf(
  event: RunEvent,
  run: RunHandle | undefined,
  evaluated: TensorboardOptions["evaluated"],
): Uint8Array | undefined {
  if (event.event !== "step" && event.event !== "evaluation") return undefined;
  const scalars = event.event === "step" ? scalarsOf(event) : metricsOf(event, run ? evaluated : "validation");
  return tfRecord(scalarsEvent(secondsOf(event.time), event.step, scalars));
}

function scalarsOf({ loss, upperLoss, hypergradientNorm, learningRate, metrics }: StepEvent): Scalars {
  const found = Object.entries({ loss, upperLoss, hypergradientNorm, learningRate, ...metrics });
  return found.flatMap(([name, value]) => (value === undefined ? [] : [[`train/${name}`, value] as const]));
}

/** `test_accuracy` becomes `test/accuracy`; a name without a split belongs to the rows that the run evaluates. */
function metricsOf({ metrics }: EvaluationEvent, rows: string): Scalars {
  return Object.entries(metrics).map(([name, value]) => {
    const split = metricRows(name);
    return [`${split === "validation" ? rows : split}/${bareMetric(name)}`, value] as const;
  });
}

/** Creates a file with its first events. Its name sorts after earlier files, since TensorBoard reads files in the order of their names. */
function createFile(folder: string, time: string, from: number): string {
  const wallTime = secondsOf(time);
  makeFolder(folder);
  const earlier = readdirSync(folder).map(eventFileSeconds);
  const seconds = earlier.reduce((latest, other) => Math.max(latest, other + 1), Math.floor(wallTime));
  const path = join(folder, eventFileName(seconds));
  const restart = from > 0 ? [tfRecord(restartEvent(wallTime, from + 1))] : [];
  appendWhole(path, Buffer.concat([tfRecord(versionEvent(wallTime)), ...restart]));
  return path;
}

/** The CRC of every byte, for the reflected Castagnoli polynomial. */
const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0x82f63b78 : 0);
  return remainder;
});

/** CRC-32C, as in RFC 3720. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ REMAINDERS[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}

/** TensorFlow's masking of a CRC, since the CRC of data that contains CRCs is problematic. */
const masked = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;

/** One record of a TFRecord file: length (uint64), its masked CRC, data, its masked CRC, all little-endian. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(masked(crc32c(record.subarray(0, 8))), 8);
  record.set(data, 12);
  record.writeUInt32LE(masked(crc32c(data)), 12 + data.length);
  return record;
}

// TensorFlow's messages Event, Summary and SessionLog (event.proto, summary.proto), as far as curves need them.

const VERSION = "brain.Event:2";
/** SessionLog.SessionStatus. */
const START = 1;

/** Field numbers of Event. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;

/** A message Event. @param wallTime in seconds since 1970 */
function eventMessage(wallTime: number, write: (event: PbfWriter) => void): Uint8Array {
  const event = new PbfWriter();
  event.writeDoubleField(EVENT.wallTime, wallTime);
  write(event);
  return event.finish();
}

/** The first event of a file. */
const versionEvent = (wallTime: number): Uint8Array =>
  eventMessage(wallTime, (event) => event.writeStringField(EVENT.fileVersion, VERSION));

/** Makes TensorBoard drop this step and later ones from earlier files: they are about to be written again. */
const restartEvent = (wallTime: number, step: number): Uint8Array =>
  eventMessage(wallTime, (event) => {
    event.writeVarintField(EVENT.step, step);
    event.writeMessage(EVENT.sessionLog, (status: number, log) => log.writeVarintField(1, status), START);
  });

/** Numbers of one step by their tags, in float32. */
const scalarsEvent = (wallTime: number, step: number, scalars: Scalars): Uint8Array =>
  eventMessage(wallTime, (event) => {
    event.writeVarintField(EVENT.step, step);
    event.writeMessage(EVENT.summary, writeSummary, scalars);
  });

function writeSummary(scalars: Scalars, summary: PbfWriter): void {
  for (const scalar of scalars) summary.writeMessage(1, writeValue, scalar);
}

function writeValue([tag, value]: Scalars[number], summary: PbfWriter): void {
  summary.writeStringField(1, tag);
  summary.writeFloatField(2, value);
}
