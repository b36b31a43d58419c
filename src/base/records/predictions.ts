// What a run predicted for each validation and test row: validation-predictions.jsonl and test-predictions.jsonl.
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
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
  return areTexts(labels) ? labels : [];
}

function predictedRow(value: unknown): PredictedRow | undefined {
  if (!isObject(value) || !isObject(value.prediction)) return undefined;
  const { file, line, text, reference, prediction } = value;
  if (typeof file !== "string" || typeof line !== "number") return undefined;
  return { file, line, text: typeof text === "string" ? text : undefined, reference, prediction };
}

async function textOf(path: string): Promise<string | undefined> {
  refuseSpecialFile(path);
  return readFile(path, "utf8").catch(() => undefined);
}

/** A row's place for people: `test.csv line 3`. */
export const placeOfRow = ({ file, line }: Pick<PredictedRow, "file" | "line">): string =>
  `${basename(file)} line ${line}`;

/** A row with its reference and prediction in the form of its task. */
interface Placed {
  readonly at: PredictedRow;
}

/** One of several classes, by name. */
interface ClassRow extends Placed {
  readonly reference: string;
  readonly prediction: string;
  readonly score: number;
}

/** Any number of labels, by name. */
interface LabelsRow extends Placed {
  readonly reference: readonly string[];
  readonly prediction: readonly string[];
}

/** One label for each word; null for a word that has no token. */
interface WordsRow extends Placed {
  readonly words: readonly string[];
  readonly reference: readonly string[];
  readonly prediction: readonly (string | null)[];
}

interface NumberRow extends Placed {
  readonly reference: number;
  readonly prediction: number;
}

/** A text and every correct text; none if there is no answer. */
interface TextRow extends Placed {
  readonly reference: readonly string[];
  readonly prediction: string;
}

/** How well the model predicted a text's own tokens. */
interface TokenPredictionRow extends Placed {
  /** Per token. */
  readonly loss: number;
  readonly tokens: number;
}

/** All rows of a split in their common form. */
export type RowsOfKind =
  | { readonly kind: "classes"; readonly rows: readonly ClassRow[] }
  | { readonly kind: "labels"; readonly rows: readonly LabelsRow[] }
  | { readonly kind: "words"; readonly rows: readonly WordsRow[] }
  | { readonly kind: "numbers"; readonly rows: readonly NumberRow[] }
  | { readonly kind: "answers"; readonly rows: readonly TextRow[] }
  | { readonly kind: "texts"; readonly rows: readonly TextRow[] }
  | { readonly kind: "tokens"; readonly rows: readonly TokenPredictionRow[] };

type Read<Row> = (at: PredictedRow, labels: readonly string[]) => Row | undefined;

const isText = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const areTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText);

const classRow: Read<ClassRow> = (at, labels) => {
  const { label, score } = at.prediction;
  const reference = isNumber(at.reference) ? labels[at.reference] : undefined;
  if (reference === undefined || !isText(label) || !labels.includes(label)) return undefined;
  return { at, reference, prediction: label, score: isNumber(score) ? score : 0 };
};

const labelsRow: Read<LabelsRow> = (at, labels) => {
  const { reference, prediction } = at;
  if (!Array.isArray(reference) || reference.length !== labels.length || !reference.every(isNumber)) return undefined;
  if (!areTexts(prediction.labels)) return undefined;
  return { at, reference: labels.filter((_, i) => reference[i] === 1), prediction: prediction.labels };
};

const wordsRow: Read<WordsRow> = (at) => {
  const { labels, tokens } = at.prediction;
  if (!areTexts(at.reference) || !Array.isArray(labels) || !labels.every((one) => one === null || isText(one)))
    return undefined;
  return { at, words: areTexts(tokens) ? tokens : [], reference: at.reference, prediction: labels };
};

const numberRow: Read<NumberRow> = (at) => {
  const { value } = at.prediction;
  return isNumber(at.reference) && isNumber(value) ? { at, reference: at.reference, prediction: value } : undefined;
};

const textRow =
  (key: "answer" | "text"): Read<TextRow> =>
  (at) => {
    const text = at.prediction[key];
    return areTexts(at.reference) && isText(text) ? { at, reference: at.reference, prediction: text } : undefined;
  };

const tokenPredictionRow: Read<TokenPredictionRow> = (at) => {
  const { loss, tokens } = at.prediction;
  return isNumber(loss) && isNumber(tokens) ? { at, loss: loss / Math.max(1, tokens), tokens } : undefined;
};

const FORMS: { readonly [K in RowsOfKind["kind"]]: Read<Extract<RowsOfKind, { kind: K }>["rows"][number]> } = {
  classes: classRow,
  labels: labelsRow,
  words: wordsRow,
  numbers: numberRow,
  answers: textRow("answer"),
  texts: textRow("text"),
  tokens: tokenPredictionRow,
};

/** The rows in the form that fits all of them, whatever the task is called; undefined if no form does. */
export function rowsOfKind(rows: readonly PredictedRow[], labels: readonly string[]): RowsOfKind | undefined {
  if (rows.length === 0) return undefined;
  for (const [kind, read] of Object.entries(FORMS)) {
    const found = rows.map((row) => read(row, labels));
    if (found.every((row) => row !== undefined)) return { kind, rows: found } as RowsOfKind;
  }
  return undefined;
}
