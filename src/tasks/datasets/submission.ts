/** What GLUE's server takes: a file for each set, named here. */
import { type LabelMap, modelLabels } from "../data/labels.js";
import type { GlueSubmission } from "./dataset.js";
import { TEST_ROWS } from "./glue.js";
import { type NamedDataset, namedDatasets } from "./namedDatasets.js";

/** All files that the server takes, none of which may be missing. */
export const GLUE_FILES: readonly string[] = Object.keys(TEST_ROWS);

/** How predictions for a named data set are submitted, with its labels; undefined if they are not. */
export function submissionOf(
  dataset: NamedDataset,
): (GlueSubmission & { readonly labelNames: readonly string[] }) | undefined {
  const { submission, labelNames } = namedDatasets[dataset];
  return submission && { ...submission, labelNames };
}

/** The number of a model's output for each label of a data set, by which it is found. @param outputs the names of the outputs, in order */
export const outputsOfLabels = (outputs: readonly string[], labelNames: readonly string[]): LabelMap =>
  modelLabels([], { checkpoint: outputs, dataset: labelNames, numbered: labelNames });
