export {
  arrangedRows,
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
  usedRows,
  type WeightedLoss,
  withStartOutputs,
} from "./evaluateRows.js";
export { evaluateTexts } from "./evaluateTexts.js";
export type { Sharing } from "./sharing.js";
