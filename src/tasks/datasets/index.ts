export {
  chosenTask,
  knownPositive,
  labelsFor,
  labelsForInference,
  outputNames,
  positiveOf,
  type TaskChoice,
  taskOf,
} from "./choice.js";
export type { GlueSubmission, Split, Splits } from "./dataset.js";
export { isNamedDataset, namedDatasets } from "./namedDatasets.js";
export {
  type EncodedSplits,
  encodeSplits,
  isNamedFolder,
  type NamedChoice,
  readExamples,
  readLabeled,
  readSplit,
  readSplits,
  splitsToRead,
  textsOfTask,
  trainedColumns,
  withSubsets,
} from "./splits.js";
export { GLUE_FILES, outputsOfLabels, submissionOf } from "./submission.js";
