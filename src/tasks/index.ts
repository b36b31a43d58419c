export { aNamedTask, aTask, aTokenizer } from "./arguments.js";
export { type Batch, batchOf, lossSum, lossWeight, outputsOf, tokensOf } from "./batch.js";
export { causalLm, type LanguageRow } from "./causalLm.js";
export { type NamedDataset, namedDatasets } from "./datasets/index.js";
export { encodeRows, type RowEncoding } from "./encodeRows.js";
export { inferTask, type TrainedHead } from "./inferTask.js";
export { maxLengthOf } from "./maxLength.js";
export { type LabelsPrediction, type LabelsRow, multiLabelClassification } from "./multiLabelClassification.js";
export { type MetricName, NAMED_VALUES } from "./namedMetrics.js";
export {
  questionAnswering,
  type SpanPrediction,
  type SpanRow,
  type WindowReading,
} from "./questionAnswering.js";
export { TASKS, type TaskKind } from "./registry.js";
export { type NumberPrediction, type NumberRow, regression } from "./regression.js";
export {
  type EncodedSplits,
  encodeSplits,
  isNamedFolder,
  type NamedChoice,
  readLabelled,
  readRows,
  readSplit,
  readSplits,
  type Splits,
  splitsToRead,
  usualColumns,
  withSubsets,
} from "./rows.js";
export { checkValues, goalOf, type Scorer, type ScorerOptions } from "./scorer.js";
export { type ClassPrediction, type ClassRow, sequenceClassification } from "./sequenceClassification.js";
export type { EncodedRow, EncodeOptions, Problem, Task } from "./task.js";
export { askedTask, type NamedTask, namedTask, type TaskChoice, taskOf } from "./taskChoice.js";
export { labelsFor, outputNames, positiveOf, usedLabels } from "./taskLabels.js";
export { textScorer, type WrittenText } from "./textScorer.js";
export { targetOf } from "./texts.js";
export { tokenClassification, type WordsPrediction, type WordsRow } from "./tokenClassification.js";
export { type UsedHead, usedHead } from "./usedHead.js";
export { checkIds, type VectorCounts } from "./vectorCounts.js";
