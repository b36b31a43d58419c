export { askedTask, labelsFor, outputNames, positiveOf, type TaskChoice, taskOf, usedLabels } from "./choice.js";
export type { Split, Splits } from "./dataset.js";
export { isNamedDataset, type NamedDataset, namedDatasets } from "./namedDatasets.js";
export {
  type EncodedSplits,
  encodeSplits,
  isNamedFolder,
  type NamedChoice,
  readLabeled,
  readRows,
  readSplit,
  readSplits,
  splitsToRead,
  usualColumns,
  withSubsets,
} from "./splits.js";
