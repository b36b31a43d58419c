import { firstRepeated } from "../common/collections.js";
import { BidoraError, UsageError } from "../common/errors.js";
import type { Table } from "./table.js";

/** Pairs come before single texts, so that a file with `sentence1` and `text` counts as pairs. */
const TEXTS: readonly (readonly string[])[] = [
  ["sentence1", "sentence2"],
  ["premise", "hypothesis"],
  ["question1", "question2"],
  ["question", "sentence"],
  ["question", "passage"],
  ["text1", "text2"],
  ["text_a", "text_b"],
  ["sentence"],
  ["text"],
  ["sequence"],
  ["content"],
];
const WORDS: readonly (readonly string[])[] = [["tokens"], ["words"]];
const LABEL: readonly (readonly string[])[] = [["label"], ["labels"], ["score"], ["target"], ["class"]];
const WORD_LABELS: readonly (readonly string[])[] = [["labels"], ["ner_tags"], ["tags"], ["upos"], ["pos_tags"]];

type Names = readonly string[] | undefined;

/** The one or two text columns: those given, else the first choice, else the usual names. @throws BidoraError listing the columns there are. */
export function findTextColumns(table: Table, given: Names, first?: Names): readonly string[] {
  const found = given ?? findUsual(table, first ? [first, ...TEXTS] : TEXTS);
  if (found === undefined) throw notFound(table, "the text", "--text-columns");
  if (found.length < 1 || found.length > 2) {
    throw new BidoraError(
      "UNKNOWN_COLUMN",
      `One text column or two are expected, but ${found.length} came: ${found.join(", ")}.`,
    );
  }
  return requireColumns(table, found);
}

/** The column with the words of a row. @throws BidoraError listing the columns there are. */
export function findWordsColumn(table: Table, given: Names, first?: Names): string {
  const found = given ?? findUsual(table, first ? [first, ...WORDS] : WORDS);
  if (found === undefined) throw notFound(table, "the words", "--text-columns");
  if (found.length !== 1)
    throw new BidoraError("UNKNOWN_COLUMN", `One column of words is expected, but ${found.length} came.`);
  return requireColumns(table, found)[0]!;
}

interface LabelSearch {
  readonly words?: boolean;
  readonly optional?: boolean;
  readonly first?: Names;
  /** The text columns, which no label is in. */
  readonly texts?: readonly string[];
}

/**
 * The label column, or several with a 0 or 1 each: those given, else the first choice, else the usual names; nothing if `optional` and absent.
 * @throws BidoraError listing the columns there are.
 */
export function findLabelColumns(
  table: Table,
  given: readonly string[] | undefined,
  { words = false, optional = false, first, texts = [] }: LabelSearch,
): readonly string[] | undefined {
  if (given !== undefined) {
    checkOwn(given, texts);
    return optional && !given.every((name) => table.columns.includes(name)) ? undefined : requireColumns(table, given);
  }
  const usual = words ? WORD_LABELS : LABEL;
  const groups = first ? [first, ...usual] : usual;
  const found = findUsual(
    table,
    groups.filter((names) => !names.some((name) => texts.includes(name))),
  );
  if (found === undefined && !optional)
    throw notFound(table, words ? "the words' labels" : "the label", "--label-column");
  return found;
}

/** A label that is part of the text would be learnt from itself. */
function checkOwn(given: readonly string[], texts: readonly string[]): void {
  const shared = given.find((name) => texts.includes(name));
  if (shared !== undefined)
    throw new UsageError(
      `The column ${shared} is named for the text and for the label: name another by --label-column.`,
    );
  const twice = firstRepeated(given);
  if (twice !== undefined) throw new UsageError(`--label-column names ${twice} twice: name each column once.`);
}

/** @throws UsageError where several are named for a task that has one */
export function oneColumn(columns: readonly string[] | undefined): readonly string[] | undefined {
  if (columns === undefined || columns.length === 1) return columns;
  throw new UsageError(`The task has one label column, but ${columns.length} are named: ${columns.join(", ")}.`);
}

function findUsual(table: Table, names: readonly (readonly string[])[]): readonly string[] | undefined {
  return names.find((group) => group.every((name) => table.columns.includes(name)));
}

function requireColumns(table: Table, names: readonly string[]): readonly string[] {
  const missing = names.find((name) => !table.columns.includes(name));
  if (missing === undefined) return names;
  throw new BidoraError("UNKNOWN_COLUMN", `${table.file} has no column ${missing}; its columns are ${list(table)}.`);
}

function notFound(table: Table, what: string, flag: string): BidoraError {
  return new BidoraError(
    "UNKNOWN_COLUMN",
    `${table.file}: no column with a usual name for ${what}; the columns are ${list(table)}: name one by ${flag}.`,
  );
}

/** A file without a header row has whole texts for column names. */
function list({ columns }: Table): string {
  return columns.map((name) => (name.length > 40 ? `${name.slice(0, 40)}…` : name)).join(", ");
}
