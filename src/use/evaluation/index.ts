export { arrangedRows, evaluationBatches, examplesOf } from "./batches.js";
export {
  type Evaluation,
  type EvaluationOptions,
  evaluateRows,
  evaluateWithOutputs,
  notesOf,
  type OnPrediction,
  type WeightedLoss,
} from "./evaluateRows.js";
export { evaluateTexts } from "./evaluateTexts.js";
export { predictRows, withStartOutputs } from "./predictRows.js";
export type { Sharing } from "./sharing.js";
export { noteWithoutLoss, usedRows } from "./usedRows.js";
