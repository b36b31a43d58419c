export { constantRows } from "./constantRows.js";
export { stopsBy } from "./judgedBy.js";
export { checkEvaluationRows, checkOneMetric, checkpointWeights, noteSettings, prepare, setupOf } from "./prepare.js";
export { checkpointToResume, ProvenanceSource } from "./provenance.js";
export { checkCount, inputsOf, type RunData, type RunStart, readRunData, startOf } from "./runInputs.js";
export { refuseDifferences } from "./sameRun.js";
export { isLeak, isPublished, overlapOf, overlapText, rowKeysOf, trainedNotes } from "./sharedRows.js";
export { TrainingRun } from "./trainingRun.js";
