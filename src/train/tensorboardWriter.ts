import { readdirSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../common/fileSystem.js";
import { appendWhole } from "../files/atomic.js";
import type { EvaluationEvent, RunEvent, StepEvent } from "../files/events.js";
import { bareMetric, metricRows } from "../files/metrics.js";
import { eventFileName, eventFileSeconds } from "../files/names.js";
import type { RunHandle, RunObserver } from "./observer.js";
import { restartEvent, scalarsEvent, versionEvent } from "./tensorboardEvents.js";

/** What curves are told of, and how. */
export interface TensorboardOptions {
  /** The folder of the files, for TensorBoard's `--logdir`. */
  readonly folder: string;
  /** The step that the run goes on from. */
  readonly from: number;
  /** Which rows evaluations in training are on. */
  readonly evaluated: "validation" | "holdout";
  /** Whether the run's folder may be written to. */
  readonly isPrepared: () => boolean;
}

type Scalars = readonly (readonly [tag: string, value: number])[];

/**
 * Writes a run's numbers for TensorBoard: losses, rates and norms of steps under `train/`, metrics under the name of their rows. A
 * resumed run begins a file of its own, which takes back what earlier ones tell of the steps after the checkpoint.
 */
export function tensorboardWriter({ folder, from, evaluated, isPrepared }: TensorboardOptions): RunObserver {
  const waiting: Uint8Array[] = [];
  let path: string | undefined;
  return {
    on(event, run) {
      const record = recordOf(event, run, evaluated);
      if (record) waiting.push(record);
      if (waiting.length === 0 || !isPrepared()) return;
      path ??= begin(folder, event.time, from);
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
  return tfRecord(scalarsEvent({ wallTime: secondsOf(event.time), step: event.step }, scalars));
}

function scalarsOf({ loss, upperLoss, hypergradientNorm, learningRate }: StepEvent): Scalars {
  const found = Object.entries({ loss, upperLoss, hypergradientNorm, learningRate });
  return found.flatMap(([name, value]) => (value === undefined ? [] : [[`train/${name}`, value] as const]));
}

/** `test_accuracy` is `test/accuracy`; what names no rows is of those that are watched. */
function metricsOf({ metrics }: EvaluationEvent, rows: string): Scalars {
  return Object.entries(metrics).map(([name, value]) => {
    const split = metricRows(name);
    return [`${split === "validation" ? rows : split}/${bareMetric(name)}`, value] as const;
  });
}

/** Makes a file with its first events. Its name comes after those of earlier ones, since TensorBoard reads them in that order. */
function begin(folder: string, time: string, from: number): string {
  const wallTime = secondsOf(time);
  makeFolder(folder);
  const earlier = readdirSync(folder).map(eventFileSeconds);
  const seconds = earlier.reduce((latest, other) => Math.max(latest, other + 1), Math.floor(wallTime));
  const path = join(folder, eventFileName(seconds));
  const restart = from > 0 ? [tfRecord(restartEvent({ wallTime, step: from + 1 }))] : [];
  appendWhole(path, Buffer.concat([tfRecord(versionEvent({ wallTime })), ...restart]));
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
