export {
  type Batch,
  batchOf,
  type EncodedExample,
  type EncodeOptions,
  ExampleOutputs,
  type ExamplePrediction,
  type Group,
  targetOf,
  tokensIn,
} from "./batch.js";
export { isConstant } from "./constant.js";
export type { EncodedEmbeddingExample } from "./embedding/encode.js";
export type { EmbeddingLossName, EmbeddingSettings } from "./embedding/losses.js";
export type { EmbeddingPrediction } from "./embedding/scored.js";
export { checkIds, type ExampleEncoding, encodeExamples, maxLengthOf, type VocabularySizes } from "./encodeExamples.js";
export { encodePrompts, encodePromptUpTo } from "./encodeLanguage.js";
export { requireTextScores } from "./metrics/textMetrics.js";
export { type LabelsPrediction, multiLabelClassification } from "./multiLabelClassification.js";
export { groupLosses, lossSum, lossWeight, outputsByExample, outputsOf } from "./outputs.js";
export type { PreferenceLossName, PreferenceSettings, RewardSettings } from "./preference/losses.js";
export { type EncodedQuestionExample, questionAnswering, type SpanPrediction } from "./questionAnswering.js";
export { type NumberPrediction, regression } from "./regression.js";
export type { ScorePrediction } from "./reranking/scored.js";
export {
  checkValues,
  declared,
  goalOf,
  type MetricName,
  NAMED_VALUES,
  positiveName,
  type Scorer,
  type ScorerOptions,
  textScorer,
} from "./scorer.js";
export { type ClassPrediction, sequenceClassification } from "./sequenceClassification.js";
export {
  aNamedTask,
  aTask,
  type ConstantPredictor,
  type ContrastiveTask,
  type EmbeddedText,
  type EvaluatedSplits,
  type ExamplePart,
  hasSeveralTexts,
  isOfLanguageModel,
  type Problem,
  type Task,
  type TaskSettings,
  type TaskSource,
  type Together,
  takesChats,
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
export { type EncodedWordsExample, tokenClassification, type WordsPrediction } from "./tokenClassification.js";
export { inferTask, type ResolvedHead, resolveHead, type TrainedHead } from "./trainedHead.js";
