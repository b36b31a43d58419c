export { originOf } from "./guards.js";
export { listen, type RunningServer } from "./serve.js";
export { disposeServed, openServed, servedKind } from "./servedModel.js";
