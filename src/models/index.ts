export { type Architecture, buildModel, checkpointNames, classNameOf, designOf, findDesign } from "./architecture.js";
export { Backbone, type ModelConfig } from "./backbone.js";
export { ConfigReader, configError } from "./configReader.js";
export { type Head, type HeadDesign, type HeadKind, linearHead, type Reads } from "./head.js";
export { type ModelInput, modelInput, type TokenRow } from "./input.js";
export { INIT_WEIGHTS, type LoadedModel, type LoadOptions, loadModel } from "./load.js";
export { ARCHITECTURES, architectureOf, hasHead, type ModelType } from "./registry.js";
export { checkLayers } from "./sizes.js";
export { TaskModel } from "./taskModel.js";
