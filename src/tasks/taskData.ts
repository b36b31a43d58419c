import { statSync } from "node:fs";
import type { SideFacts } from "../adapters/index.js";
import { UsageError } from "../common/errors.js";
import {
  type Dataset,
  type EncodedRow,
  type Example,
  encodeExamples,
  isNamedDataset,
  type LabelMap,
  labelMap,
  loadExamples,
  type MetricName,
  type NamedDataset,
  type NamedDatasetFacts,
  namedDatasets,
  positiveLabel,
  type RowEncoding,
  type Split,
  type TaskKind,
} from "../data/index.js";
import type { HeadKind } from "../models/index.js";
import type { Tokenizer } from "../text/index.js";

/** The settings that say what the data are. */
export interface DataSettings {
  readonly task?: string | undefined;
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

/** What a task word stands for: a kind of task, or a named data set of one. */
export interface Task {
  readonly kind: HeadKind;
  /** The data set's name, or undefined. */
  readonly dataset: NamedDataset | undefined;
  /** The metrics that the data set is reported by. */
  readonly metrics: readonly [MetricName, ...MetricName[]] | undefined;
}

/** @throws UsageError for a task that this version does not train */
export function taskOf(word: string): Task {
  const dataset = isNamedDataset(word) ? word : undefined;
  const kind: TaskKind = dataset ? namedDatasets[dataset].task : (word as TaskKind);
  if (kind === "causal-lm") throw new UsageError("--task causal-lm is not available in this version.");
  return { kind, dataset, metrics: dataset && namedDatasets[dataset].metrics };
}

export interface Splits {
  readonly train: Dataset;
  readonly validation: Dataset | undefined;
  readonly test: Dataset | undefined;
}

/** Reads the rows of a run. @throws UsageError when none are named, BidoraError for what is wrong with them */
export async function readSplits(task: Task, settings: DataSettings): Promise<Splits> {
  const { train, validation, test, data } = settings;
  if (task.dataset !== undefined && (train === undefined || data !== undefined))
    return readNamed(task.dataset, settings);
  if (train === undefined)
    throw new UsageError("--train is missing: give a file with the training rows, or --data with a named --task.");
  return {
    train: await readRows(train, task.kind, settings),
    validation: validation === undefined ? undefined : await readRows(validation, task.kind, settings),
    test: test === undefined ? undefined : await readRows(test, task.kind, settings),
  };
}

/** A named data set's own training and validation rows, but for those that a file is given for. */
async function readNamed(dataset: NamedDataset, settings: DataSettings): Promise<Splits> {
  const { data, train, validation, test } = settings;
  if (data === undefined)
    throw new UsageError(`--task ${dataset} needs --data with the folder of its files, or --train with a file.`);
  const set = namedDatasets[dataset];
  const kind = taskOf(dataset).kind;
  return {
    train: train === undefined ? await set.load(data, "train") : await readRows(train, kind, settings),
    validation:
      validation === undefined ? await set.load(data, "validation") : await readRows(validation, kind, settings),
    test: test === undefined ? undefined : await readRows(test, kind, settings),
  };
}

/** Whether a path is a named data set's folder of files. */
export function isNamedFolder(task: Task, path: string): task is Task & { readonly dataset: NamedDataset } {
  return task.dataset !== undefined && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Labelled rows to evaluate on: a file, or a split of a named data set's folder. */
export async function readLabelled(task: Task, path: string, split: Split, settings: DataSettings): Promise<Dataset> {
  if (isNamedFolder(task, path)) return namedDatasets[task.dataset].load(path, split);
  return readRows(path, task.kind, settings);
}

/** Rows of one file. With `labels: "optional"` they may lack labels. */
export function readRows(
  file: string,
  kind: HeadKind,
  {
    textColumns,
    usualTextColumns,
    labelColumn,
    usualLabelColumns,
  }: Pick<DataSettings, "textColumns" | "usualTextColumns" | "labelColumn" | "usualLabelColumns">,
  labels: "required" | "optional" = "required",
): Promise<Dataset> {
  return loadExamples(file, {
    task: kind,
    labels,
    textColumns,
    usualTextColumns,
    labelColumns: labelColumn,
    usualLabelColumns,
  });
}

/** The labels of a task in the order of the head's outputs; undefined for regression. */
export function labelsOf(
  { kind, dataset: name }: Task,
  { train, validation, test }: Splits,
  checkpoint: readonly string[] | undefined,
): LabelMap | undefined {
  if (kind === "regression") return undefined;
  // A label that only the validation rows have is an error there: training never saw it.
  const dataset = train.labelNames ?? validation?.labelNames ?? test?.labelNames;
  return labelMap(train.examples, { checkpoint, dataset, numbered: name && namedDatasets[name].labelNames });
}

/** Of two labels, the id of the one that F1 is about; undefined where there are not two. */
export function positiveOf({ dataset }: Task, labels: LabelMap | undefined): number | undefined {
  if (labels?.names.length !== 2) return undefined;
  return positiveLabel(labels, dataset ? namedDatasets[dataset] : setOf(labels));
}

/** The data set whose label names these are: a model that was trained on it is scored alike without its --task. */
function setOf({ names }: LabelMap): NamedDatasetFacts | undefined {
  const own = new Set(names.map((name) => name.toLowerCase()));
  return Object.values(namedDatasets).find(
    ({ positive, labelNames }) =>
      positive !== undefined && labelNames.length === own.size && labelNames.every((name) => own.has(name)),
  );
}

export interface EncodedSplits {
  readonly train: readonly EncodedRow[];
  readonly validation: readonly EncodedRow[] | undefined;
  readonly test: readonly EncodedRow[] | undefined;
}

export async function encodeSplits(
  splits: Splits,
  tokenizer: Tokenizer,
  encoding: RowEncoding,
): Promise<EncodedSplits> {
  const encode = (examples: readonly Example[]) => encodeExamples(examples, tokenizer, encoding);
  return {
    train: await encode(splits.train.examples),
    validation: splits.validation && (await encode(splits.validation.examples)),
    test: splits.test && (await encode(splits.test.examples)),
  };
}

/**
 * The number of tokens that rows are cut to.
 * @throws UsageError for more than tokenizer or model allow, given by hand
 */
export function maxLengthOf(chosen: number, isGiven: boolean, tokenizer: Tokenizer, modelTokens: number): number {
  const cap = Math.min(modelTokens, tokenizer.modelMaxLength ?? Number.POSITIVE_INFINITY);
  if (isGiven && chosen > cap)
    throw new UsageError(`--max-length ${chosen} is more than the ${cap} tokens that the model takes.`);
  return Math.min(chosen, cap);
}
