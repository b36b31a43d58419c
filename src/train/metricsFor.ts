import { LabelMap, positiveLabel } from "../data/labels.js";
import type { MetricName } from "../data/named.js";
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

/** What decides about the metrics beside the kind of task. */
export interface MetricOptions {
  /** The label names in the order of their ids. */
  readonly labels: readonly string[];
  /** The metrics that a named data set is reported by, the main one first; they go before the kind's own. */
  readonly metrics?: NamedMetrics | undefined;
  /** Of two labels, the id of the one that F1 is about; by default the later one by value or name. */
  readonly positive?: number | undefined;
}

type NamedMetrics = readonly [MetricName, ...MetricName[]];

type ByKind = { readonly [K in TaskKind]: (options: MetricOptions) => MetricSet<K> };

/** Joins tasks and metrics: what a run of this kind of task, or on a named data set, reports. */
export function metricsFor<K extends TaskKind>(kind: K, options: MetricOptions): MetricSet<K> {
  return BY_KIND[kind](options);
}

const BY_KIND: ByKind = {
  "sequence-classification": ({ labels, metrics, positive = positiveLabel(new LabelMap(labels)) }) =>
    metrics || labels.length === 2 ? named(metrics ?? ["accuracy", "f1"], positive) : MANY_CLASSES,
  "multi-label-classification": () => MULTI_LABEL,
  regression: ({ metrics }) => (metrics ? named(metrics) : NUMBERS),
  "token-classification": ({ labels }) => (labels.every(isEntityTag) ? ENTITIES : WORD_LABELS),
  "causal-lm": () => ({ main: "loss", goal: "minimize", compute: () => ({}) }),
};

/** Metrics that data sets are reported by, with their keys in a result. */
const BY_NAME: Readonly<
  Record<MetricName, { readonly key: string; of(rows: Outcome<number>, positive?: number): number }>
> = {
  accuracy: { key: "accuracy", of: (rows) => accuracy(rows.references, rows.predictions) },
  f1: { key: "f1", of: (rows, positive) => binaryScores(rows.references, rows.predictions, positive).f1 },
  "matthews-correlation": {
    key: "matthewsCorrelation",
    of: (rows) => matthewsCorrelation(rows.references, rows.predictions),
  },
  pearson: { key: "pearson", of: (rows) => pearson(rows.references, rows.predictions) },
  spearman: { key: "spearman", of: (rows) => spearman(rows.references, rows.predictions) },
};

function named(names: NamedMetrics, positive?: number): MetricSet<"sequence-classification"> & MetricSet<"regression"> {
  return {
    main: BY_NAME[names[0]].key,
    goal: "maximize",
    compute: (rows) => Object.fromEntries(names.map((name) => [BY_NAME[name].key, BY_NAME[name].of(rows, positive)])),
  };
}

const MANY_CLASSES: MetricSet<"sequence-classification"> = {
  main: "accuracy",
  goal: "maximize",
  compute: ({ references, predictions }) => ({
    accuracy: accuracy(references, predictions),
    macroF1: macroAverage(references, predictions).f1,
  }),
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

const NUMBERS: MetricSet<"regression"> = {
  main: "meanSquaredError",
  goal: "minimize",
  compute: (rows) => ({
    meanSquaredError: meanSquaredError(rows.references, rows.predictions),
    ...named(["pearson", "spearman"]).compute(rows),
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
