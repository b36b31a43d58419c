// libtorch for TypeScript: tensors, scopes that release them, operators, gradients and tapes.
export { type BackwardOptions, backward, checkpoint, enableGrad, type GradOptions, grad, noGrad } from "./autograd.js";
export { type DeviceType, deviceCounts, resolveDevice } from "./devices/devices.js";
export { fitsInMemory, requireMemory } from "./devices/memory.js";
export { asRank } from "./distributed/failures.js";
export { type Place, placeOf, restartsOf, silenceLog } from "./distributed/place.js";
export { hasProcessGroups, joinRanks } from "./distributed/processGroup.js";
export { ALONE, type GradientSum, type Ranks, sumAtTheEnd } from "./distributed/ranks.js";
export { sharedTensors } from "./distributed/sharedTensors.js";
export { DTYPE_BYTES, type DType, numelOf, sameShape, type TypedArray, wideDtype } from "./dtype.js";
export {
  blasWarning,
  COMPUTE_DTYPES,
  type ComputeDtype,
  checkThreads,
  computeDtype,
  type Diagnosis,
  diagnose,
  type EngineDetails,
  type EngineFacts,
  engineFacts,
  type FoundEngine,
  hasFastBfloat16,
  packableDtypes,
  setThreads,
  withIntegerProducts,
} from "./engine.js";
export * from "./generated/operators.js";
export { type TapeArgument, type TensorId, TorchError } from "./native/interface.js";
export { OPERATORS } from "./operatorNames.js";
export { allocatedBytes, collectableBytes, keep, liveHandles, returnFreedMemory, scope } from "./ownership.js";
export { type ProfileEvent, type ProfileKind, popRange, pushRange, startProfile, stopProfile } from "./profile.js";
export { Generator } from "./random.js";
export { dependOn, RecordedPass, type Recording, recordPass, tensorsIn } from "./recordedPass.js";
export { isTensor, recordTape, Tape, type TapeCall } from "./tape.js";
export { fromBytes, mapOrReadFile, readFile, Tensor, tensor, writeFile } from "./tensor.js";
export { castTo, isAllFinite, onDevice } from "./values.js";
