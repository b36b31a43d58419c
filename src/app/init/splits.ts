/** Files with validation and test rows, found by their names next to the training rows. */
import { existsSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { BidoraError } from "../../base/index.js";
import { type Example, labelMap } from "../../tasks/data/index.js";
import { TASKS, type Task } from "../../tasks/index.js";
import type { Guess } from "./guess.js";
import { loadOptionsOf } from "./guessRun.js";
import { readSample, type Sample, type TableSample } from "./sample.js";

/** What the names of such files have in the place of "train". */
const NAMES = {
  validation: ["validation", "valid", "val", "dev", "devel", "development", "eval"],
  test: ["test"],
} as const;

type Split = keyof typeof NAMES;

/** The files that were found, and why others are left out. */
export interface FoundSplits {
  readonly files: Readonly<Partial<Record<Split, string>>>;
  readonly notes: readonly string[];
}

/** Looks for files of the same form as the training rows, for the splits that the user has not given. */
export async function findSplits(
  train: string,
  sample: Sample,
  guess: Guess,
  given: readonly string[],
): Promise<FoundSplits> {
  const files: Partial<Record<Split, string>> = {};
  const notes: string[] = [];
  for (const split of Object.keys(NAMES) as Split[]) {
    const file = namesOf(train, NAMES[split]).find((path) => resolve(path) !== resolve(train) && existsSync(path));
    if (file === undefined || given.includes(split)) continue;
    const { isUsed, note } = await checkSplit(file, sample, guess);
    if (isUsed) files[split] = file;
    const what = isUsed ? `The ${split} rows are those of ${file}.` : `${file} is left out as ${split} rows:`;
    notes.push(note === undefined ? what : `${what} ${note}`);
  }
  return { files, notes };
}

const TRAIN = /(?<![a-z])train(ing)?(?=set|[^a-z]|$)/i;

/** The names that a file of a split can have. */
function namesOf(train: string, words: readonly string[]): string[] {
  const [folder, extension] = [dirname(train), extname(train)];
  const stem = basename(train, extension);
  const stems = TRAIN.test(stem)
    ? words.map((word) => stem.replace(TRAIN, word))
    : words.flatMap((word) => [word, `${stem}_${word}`, `${stem}-${word}`, `${stem}.${word}`]);
  return stems.map((name) => join(folder, `${name}${extension}`));
}

interface CheckedSplit {
  readonly isUsed: boolean;
  readonly note?: string | undefined;
}

/** Whether a file can be a split of these rows. */
async function checkSplit(file: string, train: Sample, { settings }: Guess): Promise<CheckedSplit> {
  try {
    const sample = await readSample(file, settings.task);
    if (sample.kind !== train.kind) return { isUsed: false, note: "its rows have another form." };
    if (sample.kind === "words" || train.kind === "words") return { isUsed: true };
    const task: Task = TASKS[settings.task];
    const read = async ({ table }: TableSample) => (await task.read(table, loadOptionsOf(settings))).examples;
    const [rows, ownRows] = [await read(train), await read(sample)];
    if (train.isWhole && !task.outputs) for (const row of ownRows) task.reference(row, labelMap(rows));
    return { isUsed: true, note: repeated(rows, ownRows) };
  } catch (error) {
    if (error instanceof BidoraError) return { isUsed: false, note: error.message };
    throw error;
  }
}

/** A score on rows that were trained on says little. */
function repeated(train: readonly Example[], rows: readonly Example[]): string | undefined {
  const known = new Set(train.map(({ input }) => JSON.stringify(input)));
  const count = rows.filter(({ input }) => known.has(JSON.stringify(input))).length;
  return count > rows.length / 10
    ? `${count} of its ${rows.length} rows are training rows too, so that its score will be too good.`
    : undefined;
}
