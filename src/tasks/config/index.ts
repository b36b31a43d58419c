/** The settings of a run and of generation: what can be set, how it is checked, and which values follow from others. */

export { METHODS, type Method, methodNames, methodsOf } from "./methods.js";
export { ESTIMATOR_FACTS, estimatorNames, type HypergradientName, isTooCoarse, passesOf } from "./options/bidora.js";
export {
  evaluatedTexts,
  type GenerateSettings,
  generateOptions,
  generationOptions,
} from "./options/generation.js";
export { baseModel, overwrite, partOptions, plainPooling, rowOptions, runFile, session } from "./options/shared.js";
export {
  modelIsMissing,
  type RunConfig,
  type RunKey,
  type RunSettings,
  readRunFile,
  refuseUnused,
  refuseUnusedForTask,
  renderRunYaml,
  resolveChecked,
  resolveRun,
  runOptions,
  settingSources,
  settingsOf,
  unusedSettings,
  withFound,
} from "./run.js";
export { fileToResume, settingsToResume } from "./runToResume.js";
