import { setImmediate as nextTurn } from "node:timers/promises";
import { type Checkpoint, openCheckpoint } from "../io/checkpoint.js";
import { Linear } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type Architecture, CLASSIFIER } from "./architecture.js";
import { type Head, headDtype } from "./head.js";
import { architectureOf } from "./registry.js";
import { checkLayers, checkModelSize } from "./sizes.js";
import type { TaskModel } from "./taskModel.js";
import { WeightSource } from "./weightSource.js";

export interface LoadOptions {
  readonly head: Head;
  /** Of the encoder's weights and its computation; the head's are float32 (float64 in a float64 model). */
  readonly dtype: torch.DType;
  /** The encoder's weights are kept in this one for training, unrounded, and computed with in `dtype`. */
  readonly masterDtype?: torch.DType;
  /** Draws what the checkpoint lacks. */
  readonly generator: torch.Generator;
  /** `new-head` draws the classifier even where the checkpoint has one that fits. */
  readonly initWeights?: "pretrained-head" | "new-head";
}

export interface LoadedModel {
  readonly model: TaskModel;
  readonly architecture: Architecture;
  /** Paths of the head's linear layers that were drawn rather than read. */
  readonly drawn: readonly string[];
  /** Paths of the head's modules to train and to save beside an adapter: the classifier, and whatever else was drawn. */
  readonly trainedModules: readonly string[];
}

/**
 * Builds the model of an unmodified checkpoint. Each tensor is read once and converted on the way; nothing requires a
 * gradient yet; weights that the model has no place for are passed over.
 * @param source a model folder, or one that is open already (and stays so)
 * @throws BidoraError `CONFIG`, `WEIGHTS`: what is missing, unsupported or does not fit
 */
export async function loadModel(source: string | Checkpoint, options: LoadOptions): Promise<LoadedModel> {
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
  const model = architecture.build(checkpoint.config, options.head);
  const headModules = architecture.headModules(options.head.kind);
  const weights = new WeightSource(checkpoint, architecture);
  const kept = options.masterDtype ?? options.dtype;
  const encoder = [...model.namedParameters()].filter(([path]) => !isWithinAny(path, headModules));
  for (const [path, parameter] of encoder) weights.require(path, parameter);
  checkModelSize(model, kept);
  for (const [path, parameter] of encoder) {
    weights.fill(path, parameter, kept);
    parameter.computeDtype = options.dtype;
    await nextTurn();
  }
  const drawn = fillHead(model, headModules, weights, options);
  const trainedModules = headModules.filter(
    (path) => path === CLASSIFIER || drawn.some((name) => isWithin(name, path)),
  );
  return { model, architecture, drawn, trainedModules };
}

/** Reads or draws the head's linear layers; returns the paths of those drawn. */
function fillHead(
  model: TaskModel,
  headModules: readonly string[],
  weights: WeightSource,
  options: LoadOptions,
): string[] {
  const drawn: string[] = [];
  const dtype = headDtype(options.dtype);
  for (const [path, layer] of model.namedModules()) {
    if (!(layer instanceof Linear && isWithinAny(path, headModules))) continue;
    if (mustDraw(path, layer, weights, options)) {
      draw(layer, dtype, model.config.initializerRange, options.generator);
      drawn.push(path);
    } else {
      for (const [name, parameter] of layer.ownParameters) weights.fill(`${path}.${name}`, parameter, dtype);
    }
  }
  return drawn;
}

/** Only the classifier may have another shape than the checkpoint's: its labels are others then. */
function mustDraw(path: string, layer: Linear, weights: WeightSource, options: LoadOptions): boolean {
  const parameters = Array.from(layer.ownParameters);
  if (!parameters.every(([name]) => weights.has(`${path}.${name}`))) return true;
  if (!isWithin(path, CLASSIFIER)) return false;
  return options.initWeights === "new-head" || !parameters.every(([name, p]) => weights.fits(`${path}.${name}`, p));
}

/** Normal weights, bias 0, as transformers draws linear layers. */
function draw(layer: Linear, dtype: torch.DType, deviation: number, generator: torch.Generator): void {
  const weight = torch.normal_(torch.empty(layer.weight.shape, { dtype }), 0, deviation, { generator });
  layer.weight.fill(torch.keep(weight));
  layer.bias?.fill(torch.keep(torch.zeros(layer.bias.shape, { dtype })));
}

function isWithin(path: string, module: string): boolean {
  return path === module || path.startsWith(`${module}.`);
}

function isWithinAny(path: string, modules: readonly string[]): boolean {
  return modules.some((module) => isWithin(path, module));
}
