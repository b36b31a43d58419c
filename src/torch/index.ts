export { type BackwardOptions, backward, enableGrad, type GradOptions, grad, noGrad } from "./autograd.js";
export { castTo } from "./castTo.js";
export { checkpoint } from "./checkpoint.js";
export { COMPUTE_DTYPES, computeDtype } from "./computeDtype.js";
export { type Diagnosis, diagnose } from "./diagnose.js";
export { DTYPE_BYTES, type DType, type TypedArray } from "./dtype.js";
export {
  arithmetic,
  blasWarning,
  type EngineFacts,
  engineFacts,
  hasFastBfloat16,
  packableDtypes,
  setThreads,
} from "./engine.js";
export { isAllFinite } from "./finite.js";
export { OPERATORS } from "./generated/operatorNames.js";
export * from "./generated/operators.js";
export { requireMemory } from "./memory.js";
export { TorchError } from "./native.js";
export { allocatedBytes, collectableBytes, keep, liveHandles, scope } from "./ownership.js";
export { type ProfileEvent, type ProfileKind, popRange, pushRange, startProfile, stopProfile } from "./profile.js";
export { Generator } from "./random.js";
export { numelOf, sameShape } from "./shape.js";
export { isTensor, type Place, recordTape, Tape, type TapeArgument, type TapeCall } from "./tape.js";
export { fromBytes, readFile, Tensor, tensor, writeFile } from "./tensor.js";
