export { type AnalyzedFolder, describeRun, type RunFolder, runFolders, SkippedRuns } from "./analyzedRuns.js";
export { analyzedRuns, isOfOneTask } from "./fits.js";
export { methodSlopes } from "./methodSlopes.js";
export {
  adapterTrajectory,
  BaseCheck,
  type ModelTrajectoryOptions,
  modelTrajectory,
  type RunTrajectory,
} from "./trajectories.js";
