// What a run predicted for each validation and test row: validation-predictions.jsonl and test-predictions.jsonl.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isObject } from "../arguments.js";
import { refuseSpecialFile } from "../fileSystem.js";
import { writeFileAtomic } from "./atomic.js";
import { parsedJson } from "./json.js";
import { ADAPTER_METADATA } from "./names.js";

export const PREDICTIONS = { validation: "validation-predictions.jsonl", test: "test-predictions.jsonl" } as const;

/** One line of the file. The forms of reference and prediction depend on the task. */
export interface PredictedRow {
  readonly file: string;
  readonly line: number;
  /** The beginning of the text, as the model's tokens spell it. */
  readonly text: string | undefined;
  readonly reference: unknown;
  readonly prediction: Readonly<Record<string, unknown>>;
  /** The row's part in the sum of losses; missing where it has none of its own, and in files of earlier versions. */
  readonly loss?: number;
  /** The row's part in what that sum is divided by; 1 if missing. */
  readonly weight?: number;
}

/** The rows of one split. */
interface PredictedSplit {
  readonly split: keyof typeof PREDICTIONS;
  readonly rows: readonly PredictedRow[];
  /** How many lines hold no prediction. */
  readonly broken: number;
}

/** The predictions of a run. */
export interface RunPredictions {
  /** The labels of the outputs, in their order; empty if the run's files do not have them. */
  readonly labels: readonly string[];
  readonly splits: readonly PredictedSplit[];
}

export function writePredictions(folder: string, split: PredictedSplit["split"], rows: readonly PredictedRow[]): void {
  writeFileAtomic(join(folder, PREDICTIONS[split]), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}

/** The rows of a split; undefined if there is no such file. */
export async function readPredictions(
  folder: string,
  split: PredictedSplit["split"],
): Promise<PredictedSplit | undefined> {
  const text = await textOf(join(folder, PREDICTIONS[split]));
  if (text === undefined) return undefined;
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const rows = lines.flatMap((line) => predictedRow(parsedJson(line)) ?? []);
  return { split, rows, broken: lines.length - rows.length };
}

/** The predictions of a run. A run that has not finished has none; files that can't be read are left out. */
export async function readRunPredictions(folder: string): Promise<RunPredictions> {
  const labels = await labelsIn(folder);
  const splits = await Promise.all([readPredictions(folder, "validation"), readPredictions(folder, "test")]);
  return { labels, splits: splits.filter((split) => split !== undefined) };
}

async function labelsIn(folder: string): Promise<readonly string[]> {
  const metadata = parsedJson((await textOf(join(folder, ADAPTER_METADATA))) ?? "");
  const labels = isObject(metadata) ? metadata.labels : undefined;
  return Array.isArray(labels) && labels.every((label) => typeof label === "string") ? labels : [];
}

function predictedRow(value: unknown): PredictedRow | undefined {
  if (!isObject(value) || !isObject(value.prediction)) return undefined;
  const { file, line, text, reference, prediction, loss, weight } = value;
  if (typeof file !== "string" || typeof line !== "number") return undefined;
  return {
    ...{ file, line, text: typeof text === "string" ? text : undefined, reference, prediction },
    ...(typeof loss === "number" && { loss }),
    ...(typeof weight === "number" && { weight }),
  };
}

async function textOf(path: string): Promise<string | undefined> {
  refuseSpecialFile(path);
  return readFile(path, "utf8").catch(() => undefined);
}
