// What the addon exports, in the terms of native/bridge, and the error that its calls throw.
import { BidoraError } from "../../base/index.js";

/** JavaScript's reference to a native object; see native/bridge/handles.h. */
export type Handle = number;

type NativeArgument = {
  readonly name: string;
  readonly type: string;
  readonly keywordOnly: boolean;
  readonly hasDefault: boolean;
  readonly written: boolean;
};

type NativeSchema = {
  readonly text: string;
  readonly arguments: readonly NativeArgument[];
  readonly returns: readonly NativeArgument[];
};

/** Information about the libtorch build and the hardware. */
export type EngineFacts = {
  readonly torchVersion: string;
  readonly library: string;
  readonly cpuCapability: string;
  /** The ISA variant that our operators use, and all variants that this processor supports. */
  readonly isaVariant: string;
  readonly isaVariants: readonly string[];
  /** Whether the processor has AMX tiles for bfloat16. */
  readonly tiles: boolean;
  /** Whether products can round their inputs to int8 (w8a8). */
  readonly byteProducts: boolean;
  /** Whether products under `withIntegerProducts` add up whole numbers. */
  readonly integerProducts: boolean;
  /** The dtypes for which we have our own products with frozen weights. */
  readonly ownProducts: readonly string[];
  readonly blasLibrary: string;
  readonly openblas: string;
  readonly openblasThreads: number;
  readonly mkl: boolean;
  readonly onednn: boolean;
  readonly onednnVersion: string;
  readonly openmp: boolean;
  readonly threads: number;
  readonly configuration: string;
  /** The CUDA part of libtorch; null if it is built for the CPU alone. */
  readonly cuda: {
    /** The version of CUDA that it is built with: 1000 · major + 10 · minor. */
    readonly version: number;
    /** The number of usable devices. */
    readonly devices: number;
    /** Why there are none, if libtorch says so. */
    readonly warning: string;
  } | null;
};

/** A profile's events as columns; `name` and `shapes` are indices into `strings`, `range` is an event's index or -1. */
type NativeProfile = {
  readonly strings: readonly string[];
  readonly name: Int32Array;
  readonly shapes: Int32Array;
  readonly kind: Int32Array;
  readonly depth: Int32Array;
  readonly range: Int32Array;
  readonly start: Float64Array;
  readonly duration: Float64Array;
};

/** A tensor's place on a tape. */
export type TensorId = number;

/** An argument of a recorded call: a tensor, a list of tensors, or a value. */
export type TapeArgument = { readonly place: TensorId } | null | number | string | boolean | readonly TapeArgument[];

/** A recorded call; see native/autograd/tape.h. */
type NativeTapeEntry = {
  readonly operator: string;
  readonly arguments: readonly TapeArgument[];
  readonly results: readonly number[];
  readonly writes: boolean;
};

type ErrorFactory = (...error: [...ConstructorParameters<typeof TorchError>, hasFileChanged?: boolean]) => Error;

/** The addon's exports. */
export interface Native {
  call(operator: number, ...args: readonly unknown[]): unknown;
  declareOperators(names: readonly string[]): number;
  operatorSchema(name: string): NativeSchema;
  setErrorFactory(make: ErrorFactory): void;
  /** Without a device on the CPU. */
  fromBytes(
    bytes: Uint8Array,
    shape: readonly number[],
    bytesDtype: string,
    dtype: string,
    device?: string | undefined,
  ): Handle;
  toBytes(handle: Handle, dtype: string): Uint8Array<ArrayBuffer>;
  readFile(shape: readonly number[], dtype: string, fd: number, offset: number): Handle;
  writeFile(handle: Handle, fd: number, offset: number): void;
  /** Dtype and sizes, then the device unless it is the CPU. */
  describe(handle: Handle): [string, ...(number | string)[]];
  item(handle: Handle): number;
  release(handles: Float64Array): void;
  releaseOne(handle: Handle): void;
  giveToCollector(handle: Handle): void;
  takeFromCollector(handle: Handle): void;
  collectableBytes(): number;
  liveHandles(): number;
  allocatedBytes(): number;
  returnFreedMemory(): void;
  backward(outputs: readonly Handle[], gradients: readonly (Handle | null)[], retain: boolean, create: boolean): void;
  grad(
    outputs: readonly Handle[],
    inputs: readonly Handle[],
    gradients: readonly (Handle | null)[],
    retainGraph: boolean,
    createGraph: boolean,
    allowUnused: boolean,
  ): (Handle | null)[];
  setGradEnabled(enabled: boolean): boolean;
  setRequiresGrad(handle: Handle, on: boolean): void;
  requiresGrad(handle: Handle): boolean;
  gradient(handle: Handle): Handle | null;
  setGradient(handle: Handle, gradient: Handle | null): void;
  version(handle: Handle): number;
  newGenerator(seed: number | bigint): Handle;
  manualSeed(generator: Handle, seed: number | bigint): void;
  generatorState(generator: Handle): Uint8Array;
  setGeneratorState(generator: Handle, state: Uint8Array): void;
  readonly hasProcessGroups: boolean;
  joinGroup(
    host: string,
    port: number,
    rank: number,
    size: number,
    servesStore: boolean,
    prefix: string,
    timeoutMs: number,
    joinTimeoutMs: number,
  ): Handle;
  groupIsJoined(group: Handle): boolean;
  groupStartSum(group: Handle, likes: readonly Handle[]): void;
  groupGradients(group: Handle, output: Handle, firstInput: number): (Handle | null)[];
  groupFinishSum(group: Handle, tensors: readonly Handle[]): Handle[];
  groupGather(group: Handle, tensor: Handle): Handle[];
  groupClose(group: Handle): void;
  groupPut(group: Handle, key: string, value: string): void;
  groupLook(group: Handle, key: string): string;
  /** Returns a file descriptor. */
  newSharedMemory(): number;
  sealSharedMemory(fd: number): void;
  isSealed(fd: number): boolean;
  mapFile(shape: readonly number[], dtype: string, fd: number, offset: number, path: string): Handle;
  engineFacts(): EngineFacts;
  deviceCounts(): { readonly cuda?: number; readonly mps?: number };
  deviceMemory(device: string): { readonly peak: number; readonly free: number; readonly total: number } | null;
  restartDevicePeak(device: string): void;
  setThreads(threads: number): void;
  allowIntegerProducts(areAllowed: boolean): boolean;
  setIsaVariant(name: string): void;
  startProfile(withShapes: boolean): void;
  stopProfile(): NativeProfile;
  pushRange(name: string): void;
  popRange(): void;
  startPart(): boolean;
  stopPart(outputs: readonly Handle[]): readonly (Handle | null)[];
  startPass(): boolean;
  stopPass(inputs: readonly Handle[], output: Handle | null): Handle | null;
  dependOn(tensors: readonly Handle[]): void;
  runPass(pass: Handle, inputs: readonly Handle[]): Handle | null;
  startTape(): void;
  stopTape(): { readonly handle: Handle; readonly entries: readonly NativeTapeEntry[] };
  tapePlace(tape: Handle, tensor: Handle): number;
  tapeTensor(tape: Handle, place: number): Handle | null;
  pruneTape(tape: Handle, kept: readonly number[], watched: readonly number[]): void;
  dropFromTape(tape: Handle, places: readonly number[]): void;
  tapeGradients(tape: Handle, loss: Handle, inputs: readonly Handle[]): (Handle | null)[];
  replayTape(tape: Handle, entry: number, tensors: readonly Handle[]): Handle[];
}

/** An error from libtorch or the bridge, with the operator, its schema and the argument shapes. */
export class TorchError extends BidoraError {
  override readonly name = "TorchError";

  constructor(
    message: string,
    readonly operator: string,
    readonly schema: string,
    readonly shapes: string,
  ) {
    const [sentence = message] = message.split("\nException raised from");
    super("TORCH", operator ? `${operator}(${shapes}): ${sentence}` : sentence);
  }
}
