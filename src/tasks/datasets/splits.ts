/** The examples of a run: read from files or a named data set, split by split, and encoded. */
import { type CallContext, statOf, UsageError } from "../../base/index.js";
import type { Tokenizer } from "../../text/index.js";
import { type Dataset, type Location, type RowSource, subsetsOf } from "../data/index.js";
import { groupsOfRows, type TextOptions } from "../data/nestedRows.js";
import type { SubsetOptions } from "../data/subsets.js";
import { type EncodedExample, type ExampleEncoding, encodeExamples, type Task } from "../index.js";
import type { TaskChoice } from "./choice.js";
import type { Split, Splits } from "./dataset.js";
import { type NamedDataset, namedDatasets } from "./namedDatasets.js";

/** The settings that name the data. */
interface DataSettings extends Pick<CallContext, "onNote"> {
  readonly data?: string | undefined;
  readonly train?: string | undefined;
  readonly upperTrain?: string | undefined;
  readonly validation?: string | undefined;
  readonly test?: string | undefined;
  /** Whether to read a named data set's labeled test rows; by default only if it has no validation rows. */
  readonly testSplit?: boolean | undefined;
  readonly textColumns?: readonly string[] | undefined;
  /** The text columns that an adapter was trained on, used if none are given and the file has them. */
  readonly usualTextColumns?: readonly string[] | undefined;
  readonly labelColumn?: readonly string[] | undefined;
  /** The same for the label: one column, or several 0/1 columns. */
  readonly usualLabelColumns?: readonly string[] | undefined;
  /** See `LoadRowsOptions`. */
  readonly dropUnlabeled?: boolean | undefined;
}

/** The columns that a model was trained on, which are used if none are given. */
export const trainedColumns = (
  trained: Partial<Record<"textColumns" | "labelColumns", readonly string[] | undefined>> | undefined,
): Pick<DataSettings, "usualTextColumns" | "usualLabelColumns"> => ({
  usualTextColumns: trained?.textColumns,
  usualLabelColumns: trained?.labelColumns,
});

/** How rows are read for their texts. */
export const textsOfTask = ({ peftTaskType }: Pick<Task, "peftTaskType">): TextOptions => ({
  isOfWords: peftTaskType === "TOKEN_CLS",
});

/** The words from which on a text joins rows, if no number is given. */
const SHORTEST_PHRASE = 4;

interface HoldoutOptions extends Omit<SubsetOptions, "groupsOf"> {
  readonly holdoutGroups?: boolean | number | undefined;
}

/** Limits the training rows, and holds some of them out, by groups of nested rows if these are wanted. */
export function withSubsets(splits: Splits, options: HoldoutOptions, task: Pick<Task, "peftTaskType">): Splits {
  const { holdoutGroups, ...subsets } = options;
  const shortest = holdoutGroups === true ? SHORTEST_PHRASE : holdoutGroups;
  let groups: Map<Location, number> | undefined;
  const groupsOf = (examples: Dataset["examples"]) => {
    const found = groupsOfRows(examples, { ...textsOfTask(task), shortest: shortest as number });
    groups = new Map(examples.map(({ at }, i) => [at, found[i]!]));
    return found;
  };
  const { train, holdout } = subsetsOf(splits.train.examples, { ...subsets, ...(shortest && { groupsOf }) });
  // Without rows to hold out they are for the levels of a search.
  if (shortest && !holdout) groupsOf(train);
  const part = (examples: Dataset["examples"]): Dataset => ({ ...splits.train, examples });
  return { ...splits, train: part(train), holdout: holdout && part(holdout), groups };
}

/** The splits of a run, without reading their rows. @throws BidoraError for what is wrong in a named data set's folder */
export async function splitsToRead({ dataset }: TaskChoice, settings: DataSettings): Promise<readonly Split[]> {
  const { data } = settings;
  const own = dataset === undefined || data === undefined ? [] : await labeledSplits(dataset, data);
  const isOwn = (split: Split) => own.includes(split) && (split !== "test" || takesTest(settings, own));
  return (["train", "validation", "test"] as const).filter((split) => settings[split] !== undefined || isOwn(split));
}

/** A data set without validation rows is evaluated on its test rows. */
const takesTest = ({ testSplit }: DataSettings, own: readonly Split[] | undefined): boolean =>
  testSplit ?? own?.includes("validation") === false;

/** Reads the rows of a run. @throws UsageError if no training rows are given, BidoraError for what is wrong with them */
export async function readSplits({ task, dataset }: TaskChoice, settings: DataSettings): Promise<Splits> {
  const { train, upperTrain, validation, test, data } = settings;
  const own =
    dataset !== undefined && (train === undefined || data !== undefined) ? await setIn(dataset, data) : undefined;
  if (train === undefined && !own)
    throw new UsageError("--train is missing: give a file with the training rows, or --data with a named --task.");
  const read = (file: string | undefined, split: Split, isWanted = true) =>
    file === undefined ? (isWanted ? own?.read(split) : undefined) : readExamples(task, file, settings);
  return {
    train: (await read(train, "train")) as Dataset,
    upper: upperTrain === undefined ? undefined : await readExamples(task, upperTrain, settings),
    validation: await read(validation, "validation"),
    test: await read(test, "test", takesTest(settings, own?.splits)),
  };
}

interface OwnSplits {
  /** The splits with labels. */
  readonly splits: readonly Split[];
  /** undefined for a missing split; missing training rows are an error that names the file. */
  read(split: Split): Promise<Dataset> | undefined;
}

/** The rows in a named data set's folder. */
async function setIn(dataset: NamedDataset, folder: string | undefined): Promise<OwnSplits> {
  if (folder === undefined)
    throw new UsageError(`--task ${dataset} needs --data with the folder of its files, or --train with a file.`);
  const splits = await labeledSplits(dataset, folder);
  return {
    splits,
    read: (split) =>
      split === "train" || splits.includes(split) ? namedDatasets[dataset].load(folder, split) : undefined,
  };
}

/** The labeled splits in a named data set's folder. */
async function labeledSplits(dataset: NamedDataset, folder: string): Promise<readonly Split[]> {
  const { labeled, labeledIn } = namedDatasets[dataset];
  return (await labeledIn?.(folder)) ?? labeled;
}

/** A task that was given by the name of a data set. */
export type NamedChoice = TaskChoice & { readonly dataset: NamedDataset };

/** Whether a path is the folder of a named data set. */
export function isNamedFolder(choice: TaskChoice, path: string): choice is NamedChoice {
  return choice.dataset !== undefined && statOf(path)?.isDirectory() === true;
}

/**
 * Labeled rows to evaluate on: a file, or a split of a named data set's folder.
 * @param split by default the validation rows, or the test rows of a set that has none
 * @throws UsageError for a split that the set lacks
 */
export async function readLabeled(
  choice: TaskChoice,
  path: string,
  split: Split | undefined,
  settings: DataSettings,
): Promise<Dataset> {
  if (!isNamedFolder(choice, path)) return readExamples(choice.task, path, settings);
  const { dataset } = choice;
  const splits = await labeledSplits(dataset, path);
  const wanted = split ?? defaultSplit(splits);
  if (splits.includes(wanted)) return namedDatasets[dataset].load(path, wanted);
  throw new UsageError(
    `${dataset} has no labeled ${wanted} rows in ${path}, so --split ${wanted} can't be used: it has ${splits.length > 0 ? splits.join(" and ") : "none with labels"}.`,
  );
}

/** Rows of a split of a named data set's folder, with labels or without; by default as `readLabeled`. */
export async function readSplit({ dataset }: NamedChoice, folder: string, split: Split | undefined): Promise<Dataset> {
  return namedDatasets[dataset].load(folder, split ?? defaultSplit(await labeledSplits(dataset, folder)));
}

const defaultSplit = (labeled: readonly Split[]): Split => (labeled.includes("validation") ? "validation" : "test");

/** The examples of one file, or of rows in memory. With `labels: "optional"` they may lack labels. */
export function readExamples(
  task: Task,
  file: RowSource,
  { textColumns, usualTextColumns, labelColumn, usualLabelColumns, dropUnlabeled, onNote }: DataSettings,
  labels: "required" | "optional" = "required",
): Promise<Dataset> {
  const columns = { textColumns, usualTextColumns, labelColumns: labelColumn, usualLabelColumns };
  return task.read(file, { labels, ...columns, dropUnlabeled, onNote });
}

/** The splits of a run as token ids. */
export interface EncodedSplits extends Record<"upper" | "validation" | "test" | "holdout", Encoded | undefined> {
  readonly train: Encoded;
}

type Encoded = readonly EncodedExample[];

export async function encodeSplits(
  task: Task,
  { train, upper, validation, test, holdout }: Splits,
  tokenizer: Tokenizer,
  encoding: ExampleEncoding,
): Promise<EncodedSplits> {
  const encode = ({ examples }: Dataset) => encodeExamples(task, examples, tokenizer, encoding);
  // All begin at once, so that the tokenizer's threads are never without work. If several fail, the first is reported.
  const first = encode(train);
  const others = [upper, validation, test, holdout].map((split) => split && encode(split));
  for (const one of others) one?.catch(() => {});
  const [ofUpper, ofValidation, ofTest, ofHoldout] = others;
  return {
    train: await first,
    upper: await ofUpper,
    validation: await ofValidation,
    test: await ofTest,
    holdout: await ofHoldout,
  };
}
