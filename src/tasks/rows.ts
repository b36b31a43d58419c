import { statSync } from "node:fs";
import type { SideFacts } from "../adapters/index.js";
import { UsageError } from "../common/errors.js";
import type { Dataset, Split } from "../data/index.js";
import type { Tokenizer } from "../text/index.js";
import { type NamedDataset, namedDatasets } from "./datasets.js";
import { encodeRows, type RowEncoding } from "./encodeRows.js";
import type { EncodedRow, Task } from "./task.js";
import type { TaskChoice } from "./taskChoice.js";

/** The settings that say what the data are. */
export interface DataSettings {
  readonly data?: string | undefined;
  readonly train?: string | undefined;
  readonly validation?: string | undefined;
  readonly test?: string | undefined;
  readonly textColumns?: readonly string[] | undefined;
  /** The text columns where none are named and the file has these: those that an adapter was trained on. */
  readonly usualTextColumns?: readonly string[] | undefined;
  readonly labelColumn?: readonly string[] | undefined;
  /** The same for the label: one column, or several with a 0 or 1 each. */
  readonly usualLabelColumns?: readonly string[] | undefined;
}

/** The columns that rows were read from in training: the first choice where a user names none. */
export function usualColumns(
  side: Pick<SideFacts, "textColumns" | "labelColumns"> | undefined,
): Pick<DataSettings, "usualTextColumns" | "usualLabelColumns"> {
  return { usualTextColumns: side?.textColumns, usualLabelColumns: side?.labelColumns };
}

export interface Splits {
  readonly train: Dataset;
  readonly validation: Dataset | undefined;
  readonly test: Dataset | undefined;
}

/** Reads the rows of a run. @throws UsageError when none are named, BidoraError for what is wrong with them */
export async function readSplits({ task, dataset }: TaskChoice, settings: DataSettings): Promise<Splits> {
  const { train, validation, test, data } = settings;
  const own = dataset !== undefined && (train === undefined || data !== undefined) ? setIn(dataset, data) : undefined;
  if (train === undefined && !own)
    throw new UsageError("--train is missing: give a file with the training rows, or --data with a named --task.");
  const read = (file: string | undefined, split?: Split) =>
    file === undefined ? split && own?.(split) : readRows(task, file, settings);
  return {
    train: (await read(train, "train")) as Dataset,
    validation: await read(validation, "validation"),
    test: await read(test),
  };
}

/** A named data set's own rows, by split. */
function setIn(dataset: NamedDataset, folder: string | undefined): (split: Split) => Promise<Dataset> {
  if (folder === undefined)
    throw new UsageError(`--task ${dataset} needs --data with the folder of its files, or --train with a file.`);
  return (split) => namedDatasets[dataset].load(folder, split);
}

/** Whether a path is a named data set's folder of files. */
export function isNamedFolder(
  choice: TaskChoice,
  path: string,
): choice is TaskChoice & { readonly dataset: NamedDataset } {
  return choice.dataset !== undefined && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Labelled rows to evaluate on: a file, or a split of a named data set's folder. */
export async function readLabelled(
  choice: TaskChoice,
  path: string,
  split: Split,
  settings: DataSettings,
): Promise<Dataset> {
  if (isNamedFolder(choice, path)) return namedDatasets[choice.dataset].load(path, split);
  return readRows(choice.task, path, settings);
}

/** Rows of one file. With `labels: "optional"` they may lack labels. */
export function readRows(
  task: Task,
  file: string,
  { labelColumn, ...columns }: DataSettings,
  labels: "required" | "optional" = "required",
): Promise<Dataset> {
  const { textColumns, usualTextColumns, usualLabelColumns } = columns;
  return task.read(file, { labels, textColumns, usualTextColumns, labelColumns: labelColumn, usualLabelColumns });
}

export interface EncodedSplits {
  readonly train: readonly EncodedRow[];
  readonly validation: readonly EncodedRow[] | undefined;
  readonly test: readonly EncodedRow[] | undefined;
}

export async function encodeSplits(
  task: Task,
  { train, validation, test }: Splits,
  tokenizer: Tokenizer,
  encoding: RowEncoding,
): Promise<EncodedSplits> {
  const encode = ({ examples }: Dataset) => encodeRows(task, examples, tokenizer, encoding);
  return {
    train: await encode(train),
    validation: validation && (await encode(validation)),
    test: test && (await encode(test)),
  };
}
