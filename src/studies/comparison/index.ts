export {
  ComparisonProgress,
  type ComparisonWatch,
  cellName,
  runsFailed,
  scoreText,
  watchComparison,
} from "./jobs/comparisonProgress.js";
export { commandOf, type EndedRun, flagsOf, runCells, saveFailure } from "./jobs/jobs.js";
export { launcherOf } from "./jobs/launchers.js";
export {
  type Cell,
  otherFinishedCells,
  pairsOf,
} from "./plan/cells.js";
export { checkTasks } from "./plan/checkTasks.js";
export {
  costsText,
  type ExpectedCost,
  type ExpectedCosts,
  expectedCosts,
  factsIn,
  type KnownFacts,
} from "./plan/estimates.js";
export { freezePlan, keepPlan, openKeys } from "./plan/freeze.js";
export {
  checkComparisonFolder,
  checkStarted,
  refuseForeignRuns,
  refuseMixed,
  runToStart,
  savePlan,
} from "./plan/plan.js";
export { cellsOnceTried, triedCells } from "./results/cellsOnceTried.js";
export { collectRuns, hasDiverged, missingRuns } from "./results/collectRuns.js";
export { foundRuns } from "./results/competitors.js";
export { detectableIn, detectableText } from "./results/detectable.js";
export { divergedCells } from "./results/gridSearch.js";
export { type ComparisonResult, writeComparison } from "./results/results.js";
export { scoringOf, watchedMetric } from "./results/scoring.js";
export { type ComparisonSettings, compareOptions } from "./spec/compareOptions.js";
export { type AskedRuns, askedRuns, readSpec, requestedResults, type Spec } from "./spec/spec.js";
export { type Variant, variantsOf } from "./spec/variants.js";
