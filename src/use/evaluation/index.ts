export {
  type Evaluation,
  type EvaluationOptions,
  evaluateRows,
  evaluateWithOutputs,
  evaluationBatches,
  examplesOf,
  notesOf,
  noteWithoutLoss,
  type OnPrediction,
  predictRows,
  type WeightedLoss,
} from "./evaluateRows.js";
export { evaluateTexts } from "./evaluateTexts.js";
