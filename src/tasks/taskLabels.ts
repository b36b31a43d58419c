import { BidoraError } from "../common/errors.js";
import { type Dataset, type LabelMap, labelMap, modelLabels, positiveLabel } from "../data/index.js";
import { type NamedDatasetFacts, namedDatasets } from "./datasets/index.js";
import type { Splits } from "./rows.js";
import type { Task } from "./task.js";
import type { TaskChoice } from "./taskChoice.js";

/** The labels of a run in the order of the model's outputs; undefined for a task whose outputs are no labels. */
export function labelsFor(
  { task, dataset: name }: TaskChoice,
  { train, validation, test }: Splits,
  checkpoint: readonly string[] | undefined,
): LabelMap | undefined {
  if (task.outputs) return undefined;
  // A label that only the validation rows have is an error there: training never saw it.
  const dataset = train.labelNames ?? validation?.labelNames ?? test?.labelNames;
  return labelMap(train.examples, { checkpoint, dataset, numbered: name && namedDatasets[name].labelNames });
}

/**
 * The labels of a model that is only used, with the spellings that labelled rows have for them; undefined for a task whose
 * outputs are no labels.
 * @throws BidoraError `UNKNOWN_LABEL` for a label that rows with a column for each have no column for
 */
export function usedLabels(
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

/** Of a label without a column no row says whether it has it. */
function checkColumns(labels: LabelMap, columns: readonly string[]): void {
  const found = new Set(columns.map((name) => labels.find(name)));
  const missing = labels.names.filter((_, id) => !found.has(id));
  if (missing.length === 0) return;
  throw new BidoraError(
    "UNKNOWN_LABEL",
    `No column says which rows have ${missing.slice(0, 20).join(", ")}, which the model tells: name a column for each of its labels by --label-column.`,
  );
}

/** What a model's outputs stand for, in their order. */
export function outputNames({ outputs }: Task, labels: LabelMap | undefined): readonly string[] {
  return outputs ?? labels?.names ?? [];
}

/**
 * Of two labels, the id of the one that F1 is about; undefined where there are not two, but of a named data set that says it, which
 * may be judged by predictions of further ones.
 */
export function positiveOf({ dataset }: TaskChoice, labels: LabelMap | undefined): number | undefined {
  const facts: NamedDatasetFacts | undefined = dataset && namedDatasets[dataset];
  if (!labels || (labels.names.length !== 2 && facts?.positive === undefined)) return undefined;
  return positiveLabel(labels, facts ?? setOf(labels));
}

/** The data set whose label names these are: a model that was trained on it is scored alike without its --task. */
function setOf({ names }: LabelMap): NamedDatasetFacts | undefined {
  const own = new Set(names.map((name) => name.toLowerCase()));
  return Object.values(namedDatasets).find(
    ({ positive, labelNames }) =>
      positive !== undefined && labelNames.length === own.size && labelNames.every((name) => own.has(name)),
  );
}
