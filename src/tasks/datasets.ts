import { type Dataset, type GlueSet, readGlue, type Split } from "../data/index.js";
import type { MetricName } from "./namedMetrics.js";
import type { TaskKind } from "./registry.js";

export interface NamedDatasetFacts {
  readonly task: TaskKind;
  /** In the order of their ids, as in Hugging Face's copy of the set; empty for regression. */
  readonly labelNames: readonly string[];
  /** The label that F1 is about. */
  readonly positive?: string;
  readonly metrics: readonly [MetricName, ...MetricName[]];
  /** Whether it is reported by texts that are generated. */
  readonly texts?: boolean;
  /** @throws BidoraError naming the missing file, or the line at fault. */
  load(directory: string, split: Split): Promise<Dataset>;
}

/** The data sets that `--task` knows by name, with `--data` for their folder. */
export const namedDatasets = {
  "glue/cola": glue(["matthews-correlation"], ["unacceptable", "acceptable"], {
    folder: "CoLA",
    textColumns: ["sentence"],
    labelColumn: "label",
    fileLabels: ["0", "1"],
    header: ["source", "label", "mark", "sentence"],
  }),
  "glue/mnli": glue(["accuracy"], ["entailment", "neutral", "contradiction"], {
    folder: "MNLI",
    textColumns: ["sentence1", "sentence2"],
    labelColumn: "gold_label",
    fileLabels: ["entailment", "neutral", "contradiction"],
    validation: ["dev_matched", "dev_mismatched"],
    test: ["test_matched", "test_mismatched"],
  }),
  "glue/mrpc": {
    ...glue(["accuracy", "f1"], ["not_equivalent", "equivalent"], {
      folder: "MRPC",
      textColumns: ["#1 String", "#2 String"],
      labelColumn: "Quality",
      fileLabels: ["0", "1"],
    }),
    positive: "equivalent",
  },
  "glue/qnli": glue(["accuracy"], ["entailment", "not_entailment"], {
    folder: "QNLI",
    textColumns: ["question", "sentence"],
    labelColumn: "label",
    fileLabels: ["entailment", "not_entailment"],
  }),
  "glue/qqp": {
    ...glue(["accuracy", "f1"], ["not_duplicate", "duplicate"], {
      folder: "QQP",
      textColumns: ["question1", "question2"],
      labelColumn: "is_duplicate",
      fileLabels: ["0", "1"],
      skipShortRows: true,
    }),
    positive: "duplicate",
  },
  "glue/rte": glue(["accuracy"], ["entailment", "not_entailment"], {
    folder: "RTE",
    textColumns: ["sentence1", "sentence2"],
    labelColumn: "label",
    fileLabels: ["entailment", "not_entailment"],
  }),
  "glue/sst2": glue(["accuracy"], ["negative", "positive"], {
    folder: "SST-2",
    textColumns: ["sentence"],
    labelColumn: "label",
    fileLabels: ["0", "1"],
  }),
  "glue/stsb": glue(["pearson", "spearman"], [], {
    folder: "STS-B",
    textColumns: ["sentence1", "sentence2"],
    labelColumn: "score",
  }),
  "glue/wnli": glue(["accuracy"], ["not_entailment", "entailment"], {
    folder: "WNLI",
    textColumns: ["sentence1", "sentence2"],
    labelColumn: "label",
    fileLabels: ["0", "1"],
  }),
} as const satisfies Readonly<Record<string, NamedDatasetFacts>>;

export type NamedDataset = keyof typeof namedDatasets;

export function isNamedDataset(name: string): name is NamedDataset {
  return Object.hasOwn(namedDatasets, name);
}

function glue(metrics: NamedDatasetFacts["metrics"], labelNames: readonly string[], set: GlueSet): NamedDatasetFacts {
  const regression = set.fileLabels === undefined;
  return {
    task: regression ? "regression" : "sequence-classification",
    labelNames,
    metrics,
    load: (directory, split) => readGlue(set, regression ? undefined : labelNames, directory, split),
  };
}
