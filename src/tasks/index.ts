export { isConstant } from "./constant.js";
export type { EmbeddingPrediction } from "./embedding/scored.js";
export type { EmbeddingLossName, EmbeddingSettings } from "./embedding/settings.js";
export { encodePrompts, encodePromptUpTo } from "./encodeLanguage.js";
export { checkIds, encodeRows, maxLengthOf, type RowEncoding, type VocabularySizes } from "./encodeRows.js";
export { type MeasuredRows, partWith } from "./metrics/combineMetrics.js";
export { entitiesBy, entityKey, entityRulesOf } from "./metrics/entities.js";
export { LOWER_IS_BETTER } from "./metrics/metric.js";
export {
  areEnough,
  type BootstrapOptions,
  bootstrapSamples,
  checkBootstrap,
  resultOfSample,
} from "./metrics/resampling.js";
export { type Counts, emptyCounts, type Scores, scoresOf } from "./metrics/scores.js";
export { averageRanks, type Interval, normalCdf, percentiles } from "./metrics/statistics.js";
export { overSums } from "./metrics/sums.js";
export { requireTextScores } from "./metrics/textMetrics.js";
export { tokenSums } from "./metrics/tokenPrediction.js";
export { type LabelsPrediction, type LabelsRow, multiLabelClassification } from "./multiLabelClassification.js";
export { questionAnswering, type SpanPrediction, type SpanRow } from "./questionAnswering.js";
export { type NumberPrediction, type NumberRow, regression } from "./regression.js";
export {
  checkValues,
  declared,
  goalOf,
  type MetricName,
  NAMED_VALUES,
  type Scorer,
  type ScorerOptions,
  textScorer,
} from "./scorer.js";
export { type ClassPrediction, type ClassRow, sequenceClassification } from "./sequenceClassification.js";
export {
  aNamedTask,
  aTask,
  type Batch,
  batchOf,
  type EmbeddedText,
  type EncodedRow,
  type EncodeOptions,
  type EvaluatedSplits,
  lossSum,
  lossWeight,
  outputsByRow,
  outputsOf,
  type Problem,
  RowOutputs,
  type RowPrediction,
  type Task,
  type TaskSource,
  type Together,
} from "./task.js";
export {
  configuredTask,
  isTaskKind,
  type NamedTask,
  namedTask,
  TASK_ENTRIES,
  TASKS,
  type TaskKind,
} from "./taskKinds.js";
export { targetOf } from "./texts.js";
export { tokenClassification, type WordsPrediction, type WordsRow } from "./tokenClassification.js";
export { inferTask, type ResolvedHead, resolveHead, type TrainedHead } from "./trainedHead.js";
