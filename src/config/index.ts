/** The settings of a run: what can be set, how it is checked, and which values follow where nothing is given. */

export { aRunConfig } from "./checkRunConfig.js";
export * from "./commandOptions.js";
export { estimatorNames, type HypergradientName, isTooCoarse } from "./estimators.js";
export { callConditions, generatorConditions, promptConditions } from "./generationConditions.js";
export { METHODS, type Method, methodNames, methodsOf } from "./methods.js";
export { flagOf } from "./option.js";
export { type RunConfig, type RunKey, type RunSettings, runOptions } from "./options.js";
export { idleSettings, renderRunYaml, resolveRun, settingsOf, withFound } from "./resolve.js";
export { checkSettings, resolveSettings, type Settings } from "./settings.js";
export { refuseIdle, refuseWithoutEffect } from "./withoutEffect.js";
export { readRunFile, readSettingsFile } from "./yaml.js";
