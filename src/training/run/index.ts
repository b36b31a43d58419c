export { stopsBy } from "../loop/earlyStopping.js";
export { nestedNotes } from "./nestedNotes.js";
export { constantRows } from "./outcome.js";
export { checkpointWeights, prepare, setupOf } from "./prepare.js";
export { noteSettings } from "./prepareNotes.js";
export { checkpointToResume, ProvenanceSource, versions } from "./provenance.js";
export {
  checkCount,
  checkEvaluationRows,
  checkOneMetric,
  inputsOf,
  type RunData,
  type RunStart,
  readRunData,
  startOf,
} from "./runInputs.js";
export { refuseDifferences } from "./sameRun.js";
export { isLeak, isPublished, overlapOf, overlapText, rowKeysOf, trainedNotes } from "./sharedRows.js";
export { TrainingRun } from "./trainingRun.js";
