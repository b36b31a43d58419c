/** The settings of a run: what can be set, how it is checked, and which values follow where nothing is given. */
export * from "./config/commandOptions.js";
export { availableMethods, METHODS, type Method, methodNames } from "./config/methods.js";
export { didYouMean, nearest } from "./config/nearest.js";
export { flagOf } from "./config/option.js";
export { type RunConfig, type RunKey, type RunSettings, runOptions } from "./config/options.js";
export { overlay, renderRunYaml, resolveRun } from "./config/resolve.js";
export { refuseWithoutEffect } from "./config/withoutEffect.js";
export { readRunFile } from "./config/yaml.js";
