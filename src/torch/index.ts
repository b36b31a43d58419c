export { type BackwardOptions, backward, enableGrad, type GradOptions, grad, noGrad } from "./autograd.js";
export { DTYPE_BYTES, type DType, type TypedArray } from "./dtype.js";
export { blasWarning, type EngineFacts, engineFacts, hasFastBfloat16, setThreads } from "./engine.js";
export * from "./generated/operators.js";
export { TorchError } from "./native.js";
export { keep, liveHandles, scope } from "./ownership.js";
export { Generator } from "./random.js";
export { fromBytes, readFile, Tensor, tensor, writeFile } from "./tensor.js";
