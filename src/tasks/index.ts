export { causalLm } from "./causalLm.js";
export { isConstant } from "./constant.js";
export {
  type EmbeddingTask,
  embedding,
  embeddingTask,
} from "./embedding/embedding.js";
export { EMBEDDING_LOSSES } from "./embedding/losses.js";
export type { EmbeddingRow } from "./embedding/rows.js";
export type { EmbeddingPrediction } from "./embedding/scored.js";
export { type EmbeddingLossName, type EmbeddingSettings, embeddingLossNames } from "./embedding/settings.js";
export {
  encodeLanguageRows,
  encodePrompts,
  encodePromptUpTo,
  type LanguageEncoding,
  type LanguageRow,
} from "./encodeLanguage.js";
export { checkIds, encodeRows, maxLengthOf, type RowEncoding, type VocabularySizes } from "./encodeRows.js";
export { type LabelsPrediction, type LabelsRow, multiLabelClassification } from "./multiLabelClassification.js";
export { questionAnswering, type SpanPrediction, type SpanRow } from "./questionAnswering.js";
export { type NumberPrediction, type NumberRow, regression } from "./regression.js";
export {
  checkValues,
  declared,
  type GeneratedText,
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
  aTokenizer,
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
  type TrainOn,
} from "./task.js";
export { configuredTask, isTaskKind, type NamedTask, namedTask, TASKS, type TaskKind } from "./taskKinds.js";
export { targetOf } from "./texts.js";
export { tokenClassification, type WordsPrediction, type WordsRow } from "./tokenClassification.js";
export { inferTask, type ResolvedHead, resolveHead, type TrainedHead } from "./trainedHead.js";
