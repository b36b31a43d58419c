// Loads a model from a checkpoint.

import { setImmediate as nextTurn } from "node:timers/promises";
import { aNumber, anObject, checkArguments, isObject, oneOf, optional, options, takes } from "../common/arguments.js";
import { type Checkpoint, openCheckpoint } from "../io/checkpoint.js";
import { isWithin, Linear, Norm } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type Architecture, buildModel, designOf } from "./architecture.js";
import type { ModelConfig } from "./backbone.js";
import { configError } from "./configReader.js";
import { type HeadKind, headDtype } from "./heads.js";
import { architectureOf } from "./registry.js";
import type { TaskModel } from "./taskModel.js";
import { tiesOf, WeightSource } from "./weightSource.js";

/** Whether a checkpoint's own head is kept where it fits. */
export const INIT_WEIGHTS = ["pretrained-head", "new-head"] as const;

/** What to build of a checkpoint, and in what precision. */
export interface LoadOptions {
  readonly head: HeadKind;
  readonly outputs: number;
  /** Of the backbone's weights and its computation; the head's are float32 (float64 in a float64 model). */
  readonly dtype: torch.DType;
  /** The backbone's weights are kept in this one for training, unrounded, and computed with in `dtype`. */
  readonly masterDtype?: torch.DType;
  /** Draws what the checkpoint lacks. */
  readonly generator: torch.Generator;
  /** `new-head` draws the output module even where the checkpoint has one that fits. */
  readonly initWeights?: (typeof INIT_WEIGHTS)[number];
  /** Memory that is there to be had: a model that takes more is refused before any of it is read. */
  readonly availableBytes?: number;
}

/** A model whose parameters are filled, and what of it the checkpoint did not have. */
export interface LoadedModel {
  readonly model: TaskModel;
  readonly architecture: Architecture;
  /** Paths of the head's layers and norms that were drawn rather than read. */
  readonly drawn: readonly string[];
  /** Paths of the head's modules to train and to save beside an adapter: the output module, and whatever else was drawn. */
  readonly trainedModules: readonly string[];
}

const SOURCE = takes(
  "a model's folder, or what openCheckpoint gives",
  (value) =>
    (typeof value === "string" && value !== "") || (isObject(value) && "config" in value && "readTensor" in value),
);
export const aDType = oneOf(Object.keys(torch.DTYPE_BYTES));
const OPTIONS = options({
  head: anObject,
  outputs: aNumber,
  dtype: aDType,
  masterDtype: optional(aDType),
  generator: anObject,
  initWeights: optional(oneOf(INIT_WEIGHTS)),
  availableBytes: optional(aNumber),
});

/**
 * Builds the model of an unmodified checkpoint. Each tensor is read once and converted on the way; nothing requires a
 * gradient yet; weights of which the model has no parameter are passed over.
 * @param source a model folder, or one that is open already (and stays so)
 * @throws BidoraError `CONFIG`, `WEIGHTS`: what is missing, unsupported or does not fit
 */
export async function loadModel(source: string | Checkpoint, options: LoadOptions): Promise<LoadedModel> {
  checkArguments("loadModel", ["source", source, SOURCE], ["options", options, OPTIONS]);
  if (typeof source !== "string") return load(source, options);
  const checkpoint = openCheckpoint(source);
  try {
    return await load(checkpoint, options);
  } finally {
    checkpoint.close();
  }
}

async function load(checkpoint: Checkpoint, options: LoadOptions): Promise<LoadedModel> {
  const architecture = architectureOf(checkpoint.config);
  checkLayers(architecture.parseConfig(checkpoint.config), checkpoint.names.length);
  const { config, aliases } = tiesOf(checkpoint, architecture, designOf(architecture, options.head), options.dtype);
  const model = buildModel(architecture, config, options.head, options.outputs);
  const { headModules } = model;
  const weights = new WeightSource(checkpoint, architecture, aliases);
  const kept = options.masterDtype ?? options.dtype;
  const backbone = [...model.namedParameters()].filter(([path]) => !isWithinAny(path, headModules));
  for (const [path, parameter] of backbone) weights.require(path, parameter);
  checkModelSize(model, kept, options.availableBytes);
  for (const [path, parameter] of backbone) {
    weights.fill(path, parameter, kept);
    parameter.computeDtype = options.dtype;
    await nextTurn();
  }
  for (const [path, buffer] of model.namedBuffers()) if (weights.has(path)) weights.fill(path, buffer, "float32");
  const drawn = fillHead(model, weights, options);
  const trainedModules = headModules.filter(
    (path) => path === model.outputModule || drawn.some((name) => isWithin(name, path)),
  );
  return { model, architecture, drawn, trainedModules };
}

/**
 * A layer has several tensors: more layers than tensors can't be.
 * @throws BidoraError `CONFIG` before as many modules are made
 */
export function checkLayers({ layers }: ModelConfig, tensors: number): void {
  if (layers <= tensors) return;
  throw configError(`it asks for ${layers} layers, but the checkpoint has ${tensors} tensors in all.`);
}

/**
 * @param available bytes that are there to be had; where it is not known, the machine's memory is asked alone
 * @throws BidoraError `MEMORY` for a model that does not fit into the machine, or into what is available of it
 */
function checkModelSize(model: TaskModel, dtype: torch.DType, available?: number): void {
  let elements = 0;
  for (const [, { shape }] of model.namedParameters()) elements += torch.numelOf(shape);
  torch.requireMemory(
    elements * torch.DTYPE_BYTES[dtype],
    `The model that config.json describes, ${elements} parameters,`,
    "check config.json, or take a smaller model",
    available,
  );
}

/** Reads or draws the head's layers and norms; returns the paths of those drawn. */
function fillHead(model: TaskModel, weights: WeightSource, options: LoadOptions): string[] {
  const drawn: string[] = [];
  const dtype = headDtype(options.dtype);
  for (const [path, layer] of model.namedModules()) {
    if (!(layer instanceof Linear || layer instanceof Norm) || !isWithinAny(path, model.headModules)) continue;
    if (mustDraw(path, layer, model, weights, options)) {
      if (layer instanceof Norm) begin(layer, dtype);
      else draw(layer, dtype, model.config.initializerRange, options.generator);
      drawn.push(path);
    } else {
      for (const [name, parameter] of layer.ownParameters) weights.fill(`${path}.${name}`, parameter, dtype);
    }
  }
  return drawn;
}

/** Only the output module may have another shape than the checkpoint's: its labels are others then. */
function mustDraw(
  path: string,
  layer: Linear | Norm,
  { outputModule }: TaskModel,
  weights: WeightSource,
  { initWeights }: LoadOptions,
): boolean {
  const parameters = Array.from(layer.ownParameters);
  if (!parameters.every(([name]) => weights.has(`${path}.${name}`))) return true;
  if (!isWithin(path, outputModule)) return false;
  return initWeights === "new-head" || !parameters.every(([name, p]) => weights.fits(`${path}.${name}`, p));
}

/** Normal weights, bias 0, as transformers draws linear layers. */
function draw(layer: Linear, dtype: torch.DType, deviation: number, generator: torch.Generator): void {
  const weight = torch.normal_(torch.empty(layer.weight.shape, { dtype }), 0, deviation, { generator });
  layer.weight.fill(torch.keep(weight));
  layer.bias?.fill(torch.keep(torch.zeros(layer.bias.shape, { dtype })));
}

/** A norm that changes nothing but the scale, as it is before training. */
function begin(norm: Norm, dtype: torch.DType): void {
  norm.weight.fill(torch.keep(torch.ones(norm.weight.shape, { dtype })));
  norm.bias?.fill(torch.keep(torch.zeros(norm.bias.shape, { dtype })));
}

function isWithinAny(path: string, modules: readonly string[]): boolean {
  return modules.some((module) => isWithin(path, module));
}
