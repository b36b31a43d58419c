// Loads a model from a checkpoint.

import {
  aName,
  aNumber,
  anObject,
  checkArguments,
  isObject,
  oneOf,
  optional,
  options,
  takes,
} from "../../base/index.js";
import { type Checkpoint, openCheckpoint, shapeSourceOf } from "../../formats/index.js";
import * as torch from "../../torch/index.js";
import { type Architecture, buildModel, designOf } from "../architecture.js";
import { architectureOf } from "../architectures.js";
import type { ModelConfig } from "../backbone.js";
import { configError } from "../configReader.js";
import { type HeadKind, headDtype } from "../heads.js";
import { BASE_DTYPES, type BaseDtype, isWithin, isWithinAny, Linear, Norm, type Parameter } from "../nn/index.js";
import type { TaskModel } from "../taskModel.js";
import { computeDtypeOf, type Holding, holdings } from "./holdings.js";
import { initializeLinear, initializeNorm } from "./initialization.js";
import { tiesOf, WeightSource } from "./weightSource.js";

/** Whether the checkpoint's output layer is kept if it fits. */
export const INIT_WEIGHTS = ["pretrained-head", "new-head"] as const;

/** Which head to build, and in which precision. */
export interface LoadModelOptions {
  readonly head: HeadKind;
  readonly outputs: number;
  /** The backbone's dtype; the head is float32 (float64 in a float64 model). */
  readonly dtype: torch.DType;
  /**
   * How frozen matrices are held: the backbone's, and those of parts of the head that the checkpoint has, such as BERT's pooler. By default,
   * packed if the checkpoint has them so, and otherwise in `dtype`. A format packs those of linear layers; modules of the head that are
   * trained, embeddings that are not stored in it, and matrices whose rows don't fill whole blocks, are dense. A dtype is that of the linear
   * layers' matrices.
   */
  readonly baseDtype?: BaseDtype | undefined;
  /** The dtype of the backbone's master weights for full fine-tuning; it still computes in `dtype`. */
  readonly masterDtype?: torch.DType;
  /** Initializes weights that the checkpoint lacks. */
  readonly generator: torch.Generator;
  /** `new-head` initializes the output layer even if the checkpoint has one that fits. */
  readonly initWeights?: (typeof INIT_WEIGHTS)[number];
  /** Available memory of the device, for a run: a model that needs more is refused before it is read. */
  readonly availableBytes?: number;
  /** The device of the model, as `resolveDevice` takes it; the CPU by default. */
  readonly device?: string;
}

/** A model with its weights, and which of them are not from the checkpoint. */
export interface LoadedModel {
  readonly model: TaskModel;
  readonly architecture: Architecture;
  /** Paths of the head's layers and norms that were newly initialized. */
  readonly initialized: readonly string[];
  /** Paths of the head's modules to train and to save with an adapter: the output module, and newly initialized ones. */
  readonly trainedModules: readonly string[];
}

const SOURCE = takes(
  "a model folder or the result of openCheckpoint",
  (value) =>
    (typeof value === "string" && value !== "") || (isObject(value) && "config" in value && "readTensor" in value),
);
export const aDType = oneOf(Object.keys(torch.DTYPE_BYTES));
const OPTIONS = options({
  head: anObject,
  outputs: aNumber,
  dtype: aDType,
  baseDtype: optional(oneOf(BASE_DTYPES)),
  masterDtype: optional(aDType),
  generator: anObject,
  initWeights: optional(oneOf(INIT_WEIGHTS)),
  availableBytes: optional(aNumber),
  device: optional(aName),
});

/**
 * Builds the model of a checkpoint and reads its weights. No parameter requires gradients yet. Tensors without a parameter in the model
 * are ignored.
 * @param source a model folder, or an open checkpoint (which stays open)
 * @throws BidoraError `CONFIG` or `WEIGHTS` for settings or tensors that are missing, unsupported or of another shape; UsageError for a
 *   `baseDtype` that no matrix can be held in
 */
export async function loadModel(source: string | Checkpoint, options: LoadModelOptions): Promise<LoadedModel> {
  checkArguments("loadModel", ["source", source, SOURCE], ["options", options, OPTIONS]);
  return typeof source === "string" ? loadFolder(source, options) : load(source, options, torch.ALONE);
}

/**
 * As `loadModel`, from a folder.
 * @param ranks processes that load the same model: those of a machine hold the backbone's values in the same memory, on the CPU
 */
export async function loadFolder(
  folder: string,
  options: LoadModelOptions,
  ranks: torch.Ranks = torch.ALONE,
): Promise<LoadedModel> {
  const checkpoint = openCheckpoint(folder);
  try {
    return await load(checkpoint, options, ranks);
  } finally {
    checkpoint.close();
  }
}

function build(checkpoint: Checkpoint, { head, outputs, dtype }: Pick<LoadModelOptions, "head" | "outputs" | "dtype">) {
  const architecture = architectureOf(checkpoint.config);
  checkLayers(architecture.parseConfig(checkpoint.config), checkpoint.names.length);
  const { config, aliases } = tiesOf(checkpoint, architecture, designOf(architecture, head), dtype);
  return { architecture, model: buildModel(architecture, config, head, outputs), aliases };
}

async function load(checkpoint: Checkpoint, options: LoadModelOptions, ranks: torch.Ranks): Promise<LoadedModel> {
  const { architecture, model, aliases } = build(checkpoint, options);
  const { headModules, outputModule } = model;
  const device = torch.resolveDevice(options.device ?? "cpu");
  const weights = new WeightSource(checkpoint, architecture, aliases, model.prefix, device);
  const initialized = missingLayers(model, weights, options);
  const trainedModules = headModules.filter(
    (path) => path === outputModule || initialized.some((name) => isWithin(name, path)),
  );
  const own = model.denseModules(trainedModules);
  const frozen = [...model.namedParameters()].filter(([path]) => !isWithinAny(path, own));
  for (const [path, parameter] of frozen) weights.require(path, parameter);
  const heldAs = (baseDtype: BaseDtype | undefined) => holdings(model, frozen, weights, { ...options, baseDtype });
  const held = heldAs(options.baseDtype);
  const settings = shapeSourceOf(checkpoint.info(checkpoint.names[0]!));
  checkModelSize(model, held, () => heldAs("nf4"), { ...options, device, settings });
  const values = await torch.sharedTensors(
    device === "cpu" ? ranks : torch.ALONE,
    checkpoint.files,
    Array.from(held.values(), ({ read }) => read),
  );
  for (const [i, [path, parameter]] of frozen.entries()) {
    parameter.swapValues(held.get(parameter)!.hold(values[i]!));
    parameter.computeDtype = computeDtypeOf(path, model, options.dtype);
  }
  for (const [path, buffer] of model.namedBuffers()) {
    if (weights.has(path)) weights.fill(path, buffer, "float32");
    else buffer.fill(torch.keep(torch.onDevice(buffer.tensor, device)));
  }
  fillHead(model, headLayers(model, own), initialized, weights, { ...options, device });
  return { model, architecture, initialized, trainedModules };
}

/**
 * Checks the number of layers before they are built.
 * @throws BidoraError `CONFIG` for more layers than the checkpoint has tensors
 */
export function checkLayers({ layers }: ModelConfig, tensors: number): void {
  if (layers <= tensors) return;
  throw configError(`it has ${layers} layers, but the checkpoint has only ${tensors} tensors.`);
}

type Held = ReadonlyMap<Parameter, Holding>;

/** @throws BidoraError `MEMORY` for a model that does not fit in memory */
function checkModelSize(
  model: TaskModel,
  held: Held,
  packed: () => Held,
  options: Pick<LoadModelOptions, "dtype" | "baseDtype" | "masterDtype" | "availableBytes"> & {
    readonly device: string;
    /** What says how large it is. */
    readonly settings: string;
  },
): void {
  const { dtype, device, availableBytes, settings } = options;
  const memory = { device, free: availableBytes };
  const parameters = Array.from(model.namedParameters(), ([, parameter]) => parameter);
  const elements = parameters.reduce((sum, { shape }) => sum + torch.numelOf(shape), 0);
  const bytesOf = (as: Held): number =>
    parameters.reduce(
      (sum, parameter) => sum + (as.get(parameter)?.bytes ?? torch.numelOf(parameter.shape) * torch.DTYPE_BYTES[dtype]),
      0,
    );
  const bytes = bytesOf(held);
  if (torch.fitsInMemory(bytes, memory)) return;
  const isDense = options.baseDtype === undefined && options.masterDtype === undefined && device === "cpu";
  const fitsPacked = availableBytes !== undefined && isDense && torch.fitsInMemory(bytesOf(packed()), memory);
  torch.requireMemory(
    bytes,
    `The model that ${settings} describes, ${elements} parameters,`,
    fitsPacked ? "pack its matrices (--base-dtype nf4)" : `check ${settings}, or take a smaller model`,
    memory,
  );
}

type HeadLayer = readonly [path: string, layer: Linear | Norm];

/** The layers and norms in some modules of the head. */
const headLayers = (model: TaskModel, modules: readonly string[]): readonly HeadLayer[] =>
  [...model.namedModules()].filter(
    (named): named is [string, Linear | Norm] =>
      (named[1] instanceof Linear || named[1] instanceof Norm) && isWithinAny(named[0], modules),
  );

/** The paths of the head's layers and norms that are initialized. */
const missingLayers = (model: TaskModel, weights: WeightSource, options: LoadModelOptions): readonly string[] =>
  headLayers(model, model.headModules).flatMap(([path, layer]) =>
    mustInitialize(path, layer, model, weights, options) ? [path] : [],
  );

/** Reads or initializes layers and norms of the head. */
function fillHead(
  { config, design }: TaskModel,
  layers: readonly HeadLayer[],
  initialized: readonly string[],
  weights: WeightSource,
  options: LoadModelOptions & { readonly device: string },
): void {
  const dtype = headDtype(options.dtype);
  const initialOf = design.initialOf ?? (() => ({ deviation: config.initializerRange }));
  for (const [path, layer] of layers) {
    if (!initialized.includes(path)) {
      for (const [name, parameter] of layer.ownParameters) weights.fill(`${path}.${name}`, parameter, dtype);
    } else if (layer instanceof Norm) initializeNorm(layer, { ...options, dtype });
    else initializeLinear(layer, initialOf(config, path), { ...options, dtype });
  }
}

/** Whether to initialize a layer. Only the output layer may differ in shape from the checkpoint's, if there are other labels. */
function mustInitialize(
  path: string,
  layer: Linear | Norm,
  { outputModule }: TaskModel,
  weights: WeightSource,
  { initWeights }: LoadModelOptions,
): boolean {
  const parameters = Array.from(layer.ownParameters);
  if (!parameters.every(([name]) => weights.has(`${path}.${name}`))) return true;
  if (!isWithin(path, outputModule)) return false;
  return initWeights === "new-head" || !parameters.every(([name, p]) => weights.fits(`${path}.${name}`, p));
}
