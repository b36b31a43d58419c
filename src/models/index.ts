export type { Architecture } from "./architecture.js";
export type { Head, HeadKind } from "./head.js";
export { inferHead } from "./inferHead.js";
export { type ModelInput, type TokenBatch, toModelInput } from "./input.js";
export { type LoadedModel, type LoadOptions, loadModel } from "./load.js";
export { ARCHITECTURES, architectureOf, type ModelType } from "./registry.js";
export { checkLayers } from "./sizes.js";
export { type ModelConfig, TaskModel } from "./taskModel.js";
