/** What `--task` names: a task or a named data set; and the labels that follow from it. */
import { BidoraError, didYouMean, UsageError } from "../../base/index.js";
import type { AdapterMetadata } from "../../models/adapters/index.js";
import { type Dataset, type Example, type LabelMap, labelMap } from "../data/index.js";
import { findNamed, modelLabels, positiveLabel } from "../data/labels.js";
import { isTaskKind, type MetricName, type NamedTask, namedTask, TASKS, type Task } from "../index.js";
import type { NamedDatasetFacts, Splits } from "./dataset.js";
import { isNamedDataset, type NamedDataset, namedDatasets } from "./namedDatasets.js";

/** A task, and the named data set if `--task` names one. */
export interface TaskChoice extends NamedTask {
  readonly dataset: NamedDataset | undefined;
  /** The metrics that results on the data set are reported in. */
  readonly metrics: readonly [MetricName, ...MetricName[]] | undefined;
  /** Whether results on the data set are reported on generated text. */
  readonly texts: boolean;
}

/** @throws UsageError for a name that is neither a task nor a data set */
export function taskOf(word: string): TaskChoice {
  const dataset = isNamedDataset(word) ? word : undefined;
  const kind = dataset ? namedDatasets[dataset].task : word;
  if (!isTaskKind(kind)) {
    const known = Object.keys(TASKS).join(", ");
    throw new UsageError(`Unknown task ${word}: expected ${known}, or a data set such as glue/mrpc.`);
  }
  const facts: NamedDatasetFacts | undefined = dataset && namedDatasets[dataset];
  return { ...namedTask(kind), dataset, metrics: facts?.metrics, texts: facts?.texts === true };
}

/**
 * The task given by name or as a value; undefined if neither is given.
 * @throws UsageError for both, for an unknown name, or for a value under a built-in task's name
 */
export function chosenTask(word: string | undefined, own: NamedTask | undefined): TaskChoice | undefined {
  if (!own) return word === undefined ? undefined : taskOf(word);
  if (word !== undefined)
    throw new UsageError(`The settings name the task ${word}, but a custom task is given too: leave one out.`);
  if (isTaskKind(own.kind) || isNamedDataset(own.kind))
    throw new UsageError(`${own.kind} is the name of a built-in task or data set: give yours another name.`);
  return { ...own, dataset: undefined, metrics: undefined, texts: false };
}

/** The labels of a run in the order of the model's outputs; undefined for a task whose outputs are not labels. */
export function labelsFor(
  { task, dataset: name }: TaskChoice,
  { train, upper, validation, test }: Splits,
  checkpoint: readonly string[] | undefined,
): LabelMap | undefined {
  if (task.outputs) return undefined;
  // A label that only validation rows have is an error later: the model was not trained on it.
  const dataset = train.labelNames ?? validation?.labelNames ?? test?.labelNames;
  return labelMap([...train.examples, ...(upper?.examples ?? [])], {
    checkpoint,
    dataset,
    numbered: name && namedDatasets[name].labelNames,
  });
}

/**
 * The labels of a model for inference, in the spelling of the labeled rows; undefined for a task whose outputs are not labels.
 * @throws BidoraError `UNKNOWN_LABEL` if rows have one column per label and lack one
 */
export function labelsForInference(
  { task, dataset: name }: TaskChoice,
  { examples, labelNames, columns }: Dataset,
  checkpoint: readonly string[],
): LabelMap | undefined {
  if (task.outputs) return undefined;
  const numbered = name && namedDatasets[name].labelNames;
  const labels = modelLabels(examples, { checkpoint, dataset: labelNames, numbered });
  if (columns?.label && columns.label.length > 1) checkColumns(labels, columns.label);
  return labels;
}

function checkColumns(labels: LabelMap, columns: readonly string[]): void {
  const found = new Set(columns.map((name) => labels.find(name)));
  const missing = labels.names.filter((_, id) => !found.has(id));
  if (missing.length === 0) return;
  throw new BidoraError(
    "UNKNOWN_LABEL",
    `The model predicts ${missing.slice(0, 20).join(", ")}, but the data has no column for it: name one column per label with --label-column.`,
  );
}

/** The names of a model's outputs, in order. */
export function outputNames({ outputs }: Task, labels: LabelMap | undefined): readonly string[] {
  return outputs ?? labels?.names ?? [];
}

/** By what the positive label of one's own rows is known, in this order. */
interface PositiveSources {
  /** The label that the user names. */
  readonly asked?: string | undefined;
  /** The id that is known of a model. */
  readonly known?: number | undefined;
  /** The rows of which the rarer label is taken. */
  readonly examples?: readonly Example[];
}

/**
 * The id of the positive label of two, for precision, recall and F1; undefined for another number of labels, unless the named data set
 * says which is positive: then predictions may have other labels too.
 * @throws UsageError for an asked label that is unknown or has no effect
 */
export function positiveOf(
  { task, dataset }: TaskChoice,
  labels: LabelMap | undefined,
  { asked, known, examples }: PositiveSources,
): number | undefined {
  const facts: NamedDatasetFacts | undefined = dataset && namedDatasets[dataset];
  const hasTwo = task.problem?.type === "single_label_classification" && labels?.names.length === 2;
  if (asked !== undefined) return askedLabel(asked, hasTwo && !facts ? labels : undefined);
  if (!labels || !(hasTwo || facts?.positive !== undefined)) return undefined;
  const { labelNames: names = [], positive = names[1] } = facts ?? {};
  const published = positive === undefined ? undefined : findNamed(labels, names, positive);
  return published ?? known ?? positiveLabel(labels, examples);
}

/** The id of a model's positive label: the one that its run recorded, also if the outputs were renamed since, else 1. */
export function knownPositive(
  labels: readonly string[],
  { labels: saved = [], positiveLabel = "" }: Pick<AdapterMetadata, "labels" | "positiveLabel"> = {},
): number {
  return [labels, saved].map((names) => names.indexOf(positiveLabel)).find((id) => id >= 0) ?? 1;
}

function askedLabel(asked: string, labels: LabelMap | undefined): number {
  const id = labels?.find(asked);
  if (id !== undefined) return id;
  if (labels)
    throw new UsageError(
      `--positive-label takes one of the labels, ${labels.names.join(" or ")}; got ${asked}.${didYouMean(asked, labels.names)}`,
    );
  throw new UsageError(
    "No effect: --positive-label is for sequence-classification of your own rows with two labels; leave it out.",
  );
}
