/** The settings of a new run: those that the user gives, and what is guessed from the rows. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { oneLine, own, statOf, UsageError } from "../../base/index.js";
import { type RunSettings, runOptions } from "../../tasks/config/index.js";
import { isNamedDataset } from "../../tasks/datasets/index.js";
import type { Guess, Question } from "./guess.js";
import { guessRun } from "./guessRun.js";
import { type ModelChoice, modelFor } from "./models.js";
import { readSample, type Sample } from "./sample.js";
import { findSplits } from "./splits.js";

/** Settings with which a run can start. */
export interface Proposal {
  readonly settings: RunSettings;
  /** How they were found, one sentence each. */
  readonly reasons: readonly string[];
  /** What the rows leave open. */
  readonly open: readonly Question[];
  /** The model, if the user has named none. */
  readonly model?: ModelChoice;
}

/**
 * @param given the user's settings, which are kept
 * @param rows a file of rows, or a folder with training rows, in place of `given.train`
 * @throws UsageError, BidoraError with one sentence on what is missing or does not fit
 */
export async function proposeRun(given: RunSettings, rows: string | undefined): Promise<Proposal> {
  const { task, textColumns, labelColumn } = given;
  if (task !== undefined && isNamedDataset(task)) return { settings: ofDataset(given, rows), reasons: [], open: [] };
  const train = trainingFile(given.train, rows);
  const read: string[] = [];
  const sample = await readSample(train, task, (note) => read.push(note));
  const guess = await guessRun(sample, { task, textColumns, labelColumn });
  const splits = await findSplits(train, sample, guess, Object.keys(given));
  const model = modelOf(given, sample, guess);
  const method = runOptions.method.default;
  const found = { ...(model && { model: model.model }), method, train, ...splits.files, ...guess.settings };
  const holdout = holdoutFor({ ...found, ...given }, sample);
  const notes = [...read, ...partsNotes(train, sample), ...guess.reasons, ...splits.notes, ...holdout.notes];
  return {
    settings: { ...found, ...holdout.settings, ...given },
    reasons: [...notes, ...(model ? [`${model.model} is ${model.why}; --model names another.`] : [])],
    open: guess.open,
    ...(model && { model }),
  };
}

/** The model, unless the user names one or an adapter that was trained for one. */
function modelOf({ model, adapter }: RunSettings, sample: Sample, guess: Guess): ModelChoice | undefined {
  if (model !== undefined || adapter !== undefined) return undefined;
  return modelFor(guess.settings.task, guess.isChat === true, textsOf(sample, guess));
}

function ofDataset(given: RunSettings, rows: string | undefined): RunSettings {
  if (rows !== undefined && given.data !== undefined)
    throw new UsageError(`The folder of ${given.task} is named twice, ${oneLine(rows)} and --data: leave one out.`);
  const data = given.data ?? rows;
  const { model } = modelFor("sequence-classification", false, []);
  return { model, ...(data !== undefined && { data }), ...given };
}

function trainingFile(train: string | undefined, rows: string | undefined): string {
  if (train !== undefined && rows !== undefined && train !== rows)
    throw new UsageError(`The training rows are named twice, ${oneLine(rows)} and --train: leave one out.`);
  const named = train ?? rows;
  if (named === undefined)
    throw new UsageError(
      "The file with the training rows is missing: bidora init train.csv, or any .jsonl, .tsv, .parquet or CoNLL file.",
    );
  return statOf(named)?.isDirectory() ? trainIn(named) : named;
}

/** The file with training rows in a folder, by its name. */
function trainIn(folder: string): string {
  const found = readdirSync(folder).filter((name) =>
    /^train(ing)?[^/]*\.(jsonl|csv|tsv|parquet|conllu?|iob2?|bio)$/i.test(name),
  );
  const [file, ...more] = found.sort();
  if (file !== undefined && more.length === 0) return join(folder, file);
  const what = file === undefined ? "no file of rows called train" : `several: ${oneLine(found.join(", "))}`;
  throw new UsageError(`${oneLine(folder)} is a folder with ${what}; name the file with the training rows.`);
}

/** What the file is only a part of, or only a part was looked at. */
function partsNotes(train: string, sample: Sample): string[] {
  const [, parts = "1"] = /-\d+-of-(\d+)\.\w+$/.exec(train) ?? [];
  const first = sample.kind === "table" && !sample.isWhole ? [sample.table.rows.length] : [];
  return [
    ...(Number(parts) > 1 ? [`${train} is one of ${Number(parts)} parts, and the run trains on this one alone.`] : []),
    ...first.map((count) => `Guessed from the first ${count} rows.`),
  ];
}

/** Some of the texts that the model gets. */
function textsOf(sample: Sample, { settings, columns = [] }: Guess): string[] {
  if (sample.kind === "words") return [];
  const read = [...(settings.textColumns ?? []), ...columns];
  const values = sample.table.rows.slice(0, 200).flatMap((row) => read.map((name) => own(row.values, name)));
  return values.flat().filter((value) => typeof value === "string");
}

/** The share of training rows to evaluate on if there are no others, and the fewest rows of which it leaves enough. */
const HOLDOUT = 0.1;
const FEWEST = 50;

/** Without rows to evaluate on a run has no score. */
function holdoutFor(
  { validation, test, holdoutFraction }: RunSettings,
  sample: Sample,
): { readonly settings: RunSettings; readonly notes: readonly string[] } {
  if (validation !== undefined || test !== undefined || holdoutFraction !== undefined)
    return { settings: {}, notes: [] };
  if ((sample.kind === "table" ? sample.table.rows.length : sample.sentences) < FEWEST)
    return {
      settings: {},
      notes: ["There are no rows to evaluate on, so the run will have no score: name some with --validation."],
    };
  return {
    settings: { holdoutFraction: HOLDOUT },
    notes: [
      `No file of validation rows was found: ${100 * HOLDOUT} % of the training rows are held out to evaluate on.`,
    ],
  };
}
