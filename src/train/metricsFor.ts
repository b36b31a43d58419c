import type { TaskKind } from "../data/task.js";
import {
  accuracy,
  binaryScores,
  entityScores,
  type LabelSet,
  macroAverage,
  matthewsCorrelation,
  meanSquaredError,
  multiLabelMacro,
  multiLabelMicro,
  type PredictedWordLabels,
  pearson,
  spearman,
  subsetAccuracy,
  tokenAccuracy,
  type WordLabels,
} from "../metrics/index.js";

/** References and predictions of all rows, in the form that a task's metrics take. */
export interface Outcome<Row, Predicted = Row> {
  readonly references: ArrayLike<Row>;
  readonly predictions: ArrayLike<Predicted>;
}

/** What each kind of task hands to its metrics: label ids, 0/1 label sets, numbers, label names by word, nothing. */
export interface OutcomeOf {
  "sequence-classification": Outcome<number>;
  "multi-label-classification": { readonly references: readonly LabelSet[]; readonly predictions: readonly LabelSet[] };
  regression: Outcome<number>;
  "token-classification": {
    readonly references: readonly WordLabels[];
    readonly predictions: readonly PredictedWordLabels[];
  };
  "causal-lm": unknown;
}

/** The metrics that a task reports. */
export interface MetricSet<K extends TaskKind> {
  /** The metric by which checkpoints and methods are compared; `loss`, which evaluation adds, where no other says it. */
  readonly main: string;
  readonly goal: "maximize" | "minimize";
  /** All of them over all rows together. Throws METRIC_ROWS and METRIC_NOT_FINITE. */
  compute(outcome: OutcomeOf[K]): Record<string, number>;
}

/** What decides about the metrics beside the kind of task: the label names in order, and a named data set. */
export interface MetricOptions {
  readonly labels: readonly string[];
  readonly dataSet?: string;
}

type ByKind = { readonly [K in TaskKind]: (options: MetricOptions) => MetricSet<K> };

/** Joins tasks and metrics: what a run of this kind of task, or on this named data set (`glue/cola`), reports. */
export function metricsFor<K extends TaskKind>(kind: K, options: MetricOptions): MetricSet<K> {
  return BY_KIND[kind](options);
}

const BY_KIND: ByKind = {
  "sequence-classification": ({ labels, dataSet }) =>
    GLUE[dataSet?.toLowerCase().replace(/[-_]/g, "") ?? ""] ?? (labels.length === 2 ? ACCURACY_F1 : ACCURACY_MACRO_F1),
  "multi-label-classification": () => MULTI_LABEL,
  regression: ({ dataSet }) => (/^glue\/sts-?b$/i.test(dataSet ?? "") ? CORRELATIONS : NUMBERS),
  "token-classification": ({ labels }) => (labels.every(isEntityTag) ? ENTITIES : WORD_LABELS),
  "causal-lm": () => ({ main: "loss", goal: "minimize", compute: () => ({}) }),
};

const ACCURACY: MetricSet<"sequence-classification"> = {
  main: "accuracy",
  goal: "maximize",
  compute: ({ references, predictions }) => ({ accuracy: accuracy(references, predictions) }),
};

/** Two labels: F1 of the one with id 1. */
const ACCURACY_F1: MetricSet<"sequence-classification"> = {
  main: "accuracy",
  goal: "maximize",
  compute: ({ references, predictions }) => ({
    accuracy: accuracy(references, predictions),
    f1: binaryScores(references, predictions).f1,
  }),
};

const ACCURACY_MACRO_F1: MetricSet<"sequence-classification"> = {
  main: "accuracy",
  goal: "maximize",
  compute: ({ references, predictions }) => ({
    accuracy: accuracy(references, predictions),
    macroF1: macroAverage(references, predictions).f1,
  }),
};

const MATTHEWS: MetricSet<"sequence-classification"> = {
  main: "matthewsCorrelation",
  goal: "maximize",
  compute: ({ references, predictions }) => ({ matthewsCorrelation: matthewsCorrelation(references, predictions) }),
};

/** The benchmark's own metrics, by name without dashes. STS-B is a regression. */
const GLUE: Readonly<Record<string, MetricSet<"sequence-classification">>> = {
  "glue/cola": MATTHEWS,
  "glue/mrpc": ACCURACY_F1,
  "glue/qqp": ACCURACY_F1,
  "glue/sst2": ACCURACY,
  "glue/mnli": ACCURACY,
  "glue/qnli": ACCURACY,
  "glue/rte": ACCURACY,
  "glue/wnli": ACCURACY,
};

const MULTI_LABEL: MetricSet<"multi-label-classification"> = {
  main: "microF1",
  goal: "maximize",
  compute: ({ references, predictions }) => ({
    microF1: multiLabelMicro(references, predictions).f1,
    macroF1: multiLabelMacro(references, predictions).f1,
    subsetAccuracy: subsetAccuracy(references, predictions),
  }),
};

const CORRELATIONS: MetricSet<"regression"> = {
  main: "pearson",
  goal: "maximize",
  compute: ({ references, predictions }) => ({
    pearson: pearson(references, predictions),
    spearman: spearman(references, predictions),
  }),
};

const NUMBERS: MetricSet<"regression"> = {
  main: "meanSquaredError",
  goal: "minimize",
  compute: (outcome) => ({
    meanSquaredError: meanSquaredError(outcome.references, outcome.predictions),
    ...CORRELATIONS.compute(outcome),
  }),
};

const ENTITIES: MetricSet<"token-classification"> = {
  main: "f1",
  goal: "maximize",
  compute: ({ references, predictions }) => ({
    accuracy: tokenAccuracy(references, predictions),
    ...entityScores(references, predictions).micro,
  }),
};

/** Labels that mark no entities, such as parts of speech. */
const WORD_LABELS: MetricSet<"token-classification"> = {
  main: "accuracy",
  goal: "maximize",
  compute: ({ references, predictions }) => ({ accuracy: tokenAccuracy(references, predictions) }),
};

const isEntityTag = (label: string): boolean => label === "O" || /^[BIES]-./.test(label);
