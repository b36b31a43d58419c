export { analysisFiles, writeAnalysis } from "./files.js";
export { analyzedRuns, isOfOneTask } from "./fits.js";
export { type AnalyzedFolder, describeRun, type RunFolder, runFolders, SkippedRuns } from "./runs.js";
export {
  adapterTrajectory,
  BaseCheck,
  type ModelTrajectoryOptions,
  modelTrajectory,
  type RunTrajectory,
} from "./trajectories.js";
