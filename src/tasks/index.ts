export { type Batch, batchOf, lossSum, lossWeight, tokensOf } from "./batch.js";
export { isNamedDataset, type NamedDataset, type NamedDatasetFacts, namedDatasets } from "./datasets.js";
export { encodeRows, type RowEncoding, type VectorCounts } from "./encodeRows.js";
export { inferTask, type TrainedHead } from "./inferTask.js";
export { maxLengthOf } from "./maxLength.js";
export type { LabelsPrediction, LabelsRow } from "./multiLabelClassification.js";
export type { MetricName } from "./namedMetrics.js";
export type { SpanPrediction, SpanRow, SpanTarget, WindowReading } from "./questionAnswering.js";
export { isTaskKind, TASKS, type TaskKind } from "./registry.js";
export type { NumberPrediction, NumberRow } from "./regression.js";
export {
  type DataSettings,
  type EncodedSplits,
  encodeSplits,
  isNamedFolder,
  readLabelled,
  readRows,
  readSplits,
  type Splits,
  usualColumns,
} from "./rows.js";
export type { Scorer, ScorerOptions } from "./scorer.js";
export type { ClassPrediction, ClassRow } from "./sequenceClassification.js";
export type { EncodedRow, EncodeOptions, Problem, Task } from "./task.js";
export { askedTask, type NamedTask, type TaskChoice, taskOf } from "./taskChoice.js";
export { labelsFor, outputNames, positiveOf, usedLabels } from "./taskLabels.js";
export type { WordsPrediction, WordsRow, WordTargets } from "./tokenClassification.js";
export { type UsedHead, usedHead } from "./usedHead.js";
