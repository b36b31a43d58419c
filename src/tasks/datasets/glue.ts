import { type GlueSet, readGlue } from "../../data/index.js";
import type { NamedDatasetFacts, NamedDatasets } from "./facts.js";

/** The GLUE benchmark's nine sets. Their test rows are published without labels. */
export const glue = {
  "glue/cola": set(["matthews-correlation"], ["unacceptable", "acceptable"], {
    folder: "CoLA",
    configuration: "cola",
    textColumns: ["sentence"],
    labelColumn: "label",
    fileLabels: ["0", "1"],
    header: ["source", "label", "mark", "sentence"],
  }),
  /** Matched and mismatched rows together. */
  "glue/mnli": mnli("matched", "mismatched"),
  "glue/mnli-matched": mnli("matched"),
  "glue/mnli-mismatched": mnli("mismatched"),
  "glue/mrpc": {
    ...set(["accuracy", "f1"], ["not_equivalent", "equivalent"], {
      folder: "MRPC",
      configuration: "mrpc",
      textColumns: ["#1 String", "#2 String"],
      hubColumns: ["sentence1", "sentence2"],
      labelColumn: "Quality",
      fileLabels: ["0", "1"],
    }),
    positive: "equivalent",
  },
  "glue/qnli": set(["accuracy"], ["entailment", "not_entailment"], {
    folder: "QNLI",
    configuration: "qnli",
    textColumns: ["question", "sentence"],
    labelColumn: "label",
    fileLabels: ["entailment", "not_entailment"],
  }),
  "glue/qqp": {
    ...set(["accuracy", "f1"], ["not_duplicate", "duplicate"], {
      folder: "QQP",
      configuration: "qqp",
      textColumns: ["question1", "question2"],
      labelColumn: "is_duplicate",
      fileLabels: ["0", "1"],
      skipShortRows: true,
    }),
    positive: "duplicate",
  },
  "glue/rte": set(["accuracy"], ["entailment", "not_entailment"], {
    folder: "RTE",
    configuration: "rte",
    textColumns: ["sentence1", "sentence2"],
    labelColumn: "label",
    fileLabels: ["entailment", "not_entailment"],
  }),
  "glue/sst2": set(["accuracy"], ["negative", "positive"], {
    folder: "SST-2",
    configuration: "sst2",
    textColumns: ["sentence"],
    labelColumn: "label",
    fileLabels: ["0", "1"],
  }),
  "glue/stsb": set(["pearson", "spearman"], [], {
    folder: "STS-B",
    configuration: "stsb",
    textColumns: ["sentence1", "sentence2"],
    labelColumn: "score",
  }),
  "glue/wnli": set(["accuracy"], ["not_entailment", "entailment"], {
    folder: "WNLI",
    configuration: "wnli",
    textColumns: ["sentence1", "sentence2"],
    labelColumn: "label",
    fileLabels: ["0", "1"],
  }),
} as const satisfies NamedDatasets;

function mnli(...parts: readonly string[]): NamedDatasetFacts {
  return set(["accuracy"], ["entailment", "neutral", "contradiction"], {
    folder: "MNLI",
    configuration: "mnli",
    textColumns: ["sentence1", "sentence2"],
    hubColumns: ["premise", "hypothesis"],
    labelColumn: "gold_label",
    fileLabels: ["entailment", "neutral", "contradiction"],
    validation: parts.map((part) => `dev_${part}`),
    test: parts.map((part) => `test_${part}`),
  });
}

function set(
  metrics: NonNullable<NamedDatasetFacts["metrics"]>,
  labelNames: readonly string[],
  files: GlueSet,
): NamedDatasetFacts {
  const regression = files.fileLabels === undefined;
  return {
    task: regression ? "regression" : "sequence-classification",
    labelNames,
    metrics,
    labelled: ["train", "validation"],
    load: (directory, split) => readGlue(files, regression ? undefined : labelNames, directory, split),
  };
}
