/** Guesses the task and the columns of a run, by the first form of rows that fits. */
import { BidoraError } from "../../base/index.js";
import { labelMap } from "../../tasks/data/index.js";
import { TASKS, type Task } from "../../tasks/index.js";
import { checkCount } from "../../training/run/index.js";
import { type Column, columnsOf } from "./columns.js";
import { columnName, type Guess, type Guessed, listed, type Rows } from "./guess.js";
import { guessLabeled } from "./labeledTexts.js";
import { guessLanguage, guessTexts } from "./languageRows.js";
import { checkHeader, refuseOtherForms } from "./refusals.js";
import type { Sample, TableSample } from "./sample.js";
import {
  guessEmbeddings,
  guessPreferences,
  guessQuestions,
  guessReranking,
  guessWords,
  wordsOfFile,
} from "./structuredRows.js";

/**
 * Guesses what the user has not set.
 * @throws UsageError, BidoraError with one sentence on why no task fits the rows
 */
export async function guessRun(sample: Sample, given: Guessed): Promise<Guess> {
  if (sample.kind === "words") return wordsOfFile(sample, given);
  const { table } = sample;
  const rows = { table, columns: columnsOf(table) };
  if (!given.textColumns) checkHeader(rows);
  refuseOtherForms(rows, given);
  const forms = [
    guessPreferences,
    guessWords,
    guessQuestions,
    guessReranking,
    guessEmbeddings,
    guessLanguage,
    guessLabeled,
    guessTexts,
  ];
  for (const form of forms) {
    const guess = form(rows, given);
    if (!guess) continue;
    await checkRows(sample, guess);
    return { ...guess, reasons: [...guess.reasons, ...unusedColumns(rows, guess)] };
  }
  throw unknownRows(rows);
}

/** Reads the rows as the run will. @throws BidoraError as the run */
async function checkRows({ table, isWhole }: TableSample, { settings }: Guess): Promise<void> {
  const task: Task = TASKS[settings.task];
  const { examples, labelNames } = await task.read(table, loadOptionsOf(settings));
  if (isWhole && !task.outputs) checkCount(task, labelNames ?? labelMap(examples).names);
}

/** The columns as the readers of rows take them. */
export const loadOptionsOf = ({ textColumns, labelColumn, dropUnlabeled }: Guessed) => ({
  ...(textColumns && { textColumns }),
  ...(labelColumn && { labelColumns: labelColumn }),
  ...(dropUnlabeled && { dropUnlabeled }),
});

function unusedColumns({ columns }: Rows, { settings, columns: read = [] }: Guess): string[] {
  const used = [...(settings.textColumns ?? []), ...(settings.labelColumn ?? []), ...read];
  const unused = columns.filter(({ name }) => !used.includes(name));
  if (unused.length === 0) return [];
  return [`Not used: ${listed(unused)}.`, ...unused.filter(holdsSplits).map(splitNote)];
}

const SPLITS = new Set(["train", "training", "dev", "val", "valid", "validation", "eval", "test"]);

/** Whether a column says which rows are for training and which for testing. */
const holdsSplits = ({ counts }: Column): boolean =>
  counts.size > 1 && [...counts.keys()].every((value) => SPLITS.has(value.toLowerCase()));

const splitNote = (column: Column): string =>
  `${columnName(column)} names splits (${[...column.counts.keys()].join(", ")}), but training uses all rows of the file: put each split in a file of its own.`;

function unknownRows({ table, columns }: Rows): BidoraError {
  const head = columns.length === 0 ? "it has no columns with a name" : `its columns are ${listed(columns)}`;
  return new BidoraError(
    "UNKNOWN_COLUMN",
    `${table.file}: no column looks like a text; ${head}: name the columns with --text-columns and --label-column, and the task with --task.`,
  );
}
