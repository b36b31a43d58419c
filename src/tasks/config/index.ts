/** The settings of a run and of generation: what can be set, how it is checked, and which values follow from others. */

export { askedRun } from "./askedRun.js";
export { METHODS, type Method, methodNames, methodsOf, methodsWith } from "./methods.js";
export { ESTIMATOR_FACTS, estimatorsFor, type HypergradientName, isTooCoarse, passesOf } from "./options/bidora.js";
export {
  evaluatedTexts,
  type GenerateSettings,
  generateOptions,
  generationOptions,
} from "./options/generation.js";
export { lossOptions } from "./options/losses.js";
export {
  baseModel,
  conversations,
  overwrite,
  partOptions,
  plainPooling,
  rowOptions,
  runFile,
  session,
} from "./options/shared.js";
export {
  type AskedRun,
  modelIsMissing,
  type RunConfig,
  type RunKey,
  type RunSettings,
  readRunFile,
  refuseContradictions,
  refuseUnused,
  refuseUnusedForTask,
  renderRunYaml,
  resolveRun,
  runOptions,
  saidBy,
  settingSources,
  settingsOf,
  settle,
  unusedSettings,
  upperSettings,
  withFound,
} from "./run.js";
export {
  dividesRows,
  type LevelSettings,
  type UpperGroup,
  upperFacts,
  upperOf,
  upperOptimizer,
} from "./upperGroups.js";
