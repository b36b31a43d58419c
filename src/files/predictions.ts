import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { isObject } from "../common/arguments.js";
import { refuseSpecialFile } from "../common/fileSystem.js";
import { parsedJson } from "./json.js";
import { ADAPTER_METADATA } from "./names.js";

export const PREDICTIONS = { validation: "validation-predictions.jsonl", test: "test-predictions.jsonl" } as const;

/** A row as its run judged it; each task has a reference and a prediction of its own form. */
export interface JudgedRow {
  readonly file: string;
  readonly line: number;
  readonly text: string | undefined;
  readonly reference: unknown;
  readonly prediction: Readonly<Record<string, unknown>>;
}

/** The rows of one split. */
export interface JudgedSplit {
  readonly split: "validation" | "test";
  readonly rows: readonly JudgedRow[];
  /** Lines that hold no judged row. */
  readonly broken: number;
}

/** What a run said of single rows. */
export interface Judgements {
  /** Of the outputs, in their order; none where the run's files do not say. */
  readonly labels: readonly string[];
  readonly splits: readonly JudgedSplit[];
}

/** Reads a run's judged rows from its folder. A run that has not ended has none: what can't be read is not there. */
export async function readJudgements(folder: string): Promise<Judgements> {
  const labels = await labelsIn(folder);
  const splits = await Promise.all([readSplit(folder, "validation"), readSplit(folder, "test")]);
  return { labels, splits: splits.filter((split) => split !== undefined) };
}

async function labelsIn(folder: string): Promise<readonly string[]> {
  const side = parsedJson((await textOf(join(folder, ADAPTER_METADATA))) ?? "");
  const labels = isObject(side) ? side.labels : undefined;
  return Array.isArray(labels) && labels.every((label) => typeof label === "string") ? labels : [];
}

async function readSplit(folder: string, split: JudgedSplit["split"]): Promise<JudgedSplit | undefined> {
  const text = await textOf(join(folder, PREDICTIONS[split]));
  if (text === undefined) return undefined;
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const rows = lines.flatMap((line) => judgedRow(parsedJson(line)) ?? []);
  return { split, rows, broken: lines.length - rows.length };
}

function judgedRow(value: unknown): JudgedRow | undefined {
  if (!isObject(value) || !isObject(value.prediction)) return undefined;
  const { file, line, text, reference, prediction } = value;
  if (typeof file !== "string" || typeof line !== "number") return undefined;
  return { file, line, text: typeof text === "string" ? text : undefined, reference, prediction };
}

async function textOf(path: string): Promise<string | undefined> {
  refuseSpecialFile(path);
  return readFile(path, "utf8").catch(() => undefined);
}

/** Where a row stands, for people: the file's own name will do. */
export const placeOf = ({ file, line }: Pick<JudgedRow, "file" | "line">): string => `${basename(file)} line ${line}`;
