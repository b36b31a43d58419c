export { baseDtypeFor, inWords, noteOnBase } from "./adapterBase.js";
export { type Baseline, baseHead, type HeadRows, majorityOf } from "./baseline.js";
export { arePairs, embedTexts, searchCorpus } from "./embedTexts.js";
export { evaluatePredictions } from "./evaluatePredictions.js";
export {
  type AdapterInspection,
  type AdapterSettings,
  type Contents,
  type Inspection,
  inspectFolder,
  type ModelInspection,
  type TensorFacts,
} from "./inspection.js";
export { type Mined, type MinedRow, mineNegatives } from "./mineNegatives.js";
export {
  type CallHooks,
  type InputRow,
  Model,
  type ModelGenerateSettings,
  type ModelPredictSettings,
} from "./model.js";
export {
  type FoundModel,
  findAdapter,
  findModel,
  foldersOf,
  type InferenceModel,
  isReranker,
  noteAdapterTokenizer,
  open,
  openForInference,
  trainedTemplate,
} from "./open.js";
export { openDraft } from "./openDraft.js";
export { checkTexts, type ExamplesOf, lengthFor, type Prediction, predictions, usualLengthFor } from "./predictions.js";
export { referenceRows } from "./referenceRows.js";
export { type GeneratedRow, generationPlan, TextGenerator } from "./textGenerator.js";
export type { AnswerPiece } from "./toolAnswers.js";
