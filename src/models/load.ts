import { setImmediate as nextTurn } from "node:timers/promises";
import { BidoraError } from "../errors.js";
import { type Checkpoint, openCheckpoint } from "../io/checkpoint.js";
import { castTo, Linear, type Parameter } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type Architecture, CLASSIFIER } from "./architecture.js";
import { type Head, headDtype } from "./head.js";
import { architectureOf } from "./registry.js";
import type { TaskModel } from "./taskModel.js";

export interface LoadOptions {
  readonly head: Head;
  /** Of the encoder's weights and its computation; the head's are float32 (float64 in a float64 model). */
  readonly dtype: torch.DType;
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
  const checkpoint = typeof source === "string" ? openCheckpoint(source) : source;
  try {
    const architecture = architectureOf(checkpoint.config);
    const model = architecture.build(checkpoint.config, options.head);
    const headModules = architecture.headModules(options.head.kind);
    const loader = new Loader(checkpoint, architecture);

    for (const [path, parameter] of model.namedParameters()) {
      if (isWithinAny(path, headModules)) continue;
      loader.fill(path, parameter, options.dtype);
      await nextTurn();
    }
    const drawn = fillHead(model, headModules, loader, options);
    const trainedModules = headModules.filter(
      (path) => path === CLASSIFIER || drawn.some((name) => isWithin(name, path)),
    );
    return { model, architecture, drawn, trainedModules };
  } finally {
    if (typeof source === "string") checkpoint.close();
  }
}

/** Reads or draws the head's linear layers; returns the paths of those drawn. */
function fillHead(model: TaskModel, headModules: readonly string[], loader: Loader, options: LoadOptions): string[] {
  const drawn: string[] = [];
  const dtype = headDtype(options.dtype);
  for (const [path, layer] of model.namedModules()) {
    if (!(layer instanceof Linear && isWithinAny(path, headModules))) continue;
    const parameters = Array.from(layer.ownParameters, ([name, parameter]) => [`${path}.${name}`, parameter] as const);
    const isClassifier = isWithin(path, CLASSIFIER);
    const isUsable =
      parameters.every(([name]) => loader.find(name)) &&
      !(isClassifier && (options.initWeights === "new-head" || !parameters.every(([name, p]) => loader.fits(name, p))));
    if (isUsable) {
      for (const [name, parameter] of parameters) loader.fill(name, parameter, dtype);
    } else {
      draw(layer, dtype, model.config.initializerRange, options.generator);
      drawn.push(path);
    }
  }
  return drawn;
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

/** Moves tensors from a checkpoint into parameters. */
class Loader {
  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly architecture: Architecture,
  ) {}

  /** The name of a parameter's tensor in the checkpoint. */
  find(path: string): string | undefined {
    return this.architecture.checkpointNames(path).find((name) => this.checkpoint.has(name));
  }

  fits(path: string, parameter: Parameter): boolean {
    const name = this.find(path);
    return name !== undefined && sameShape(this.checkpoint.info(name).shape, parameter.shape);
  }

  fill(path: string, parameter: Parameter, dtype: torch.DType): void {
    const name = this.find(path);
    if (!name) throw this.missing(path);
    const { shape } = this.checkpoint.info(name);
    if (!sameShape(shape, parameter.shape)) {
      throw new BidoraError(
        "WEIGHTS",
        `Tensor ${name} in ${this.checkpoint.folder} has shape [${shape}], but config.json asks for [${parameter.shape}].`,
      );
    }
    parameter.fill(torch.scope(() => torch.keep(castTo(this.checkpoint.readTensor(name), dtype))));
  }

  private missing(path: string): BidoraError {
    const names = this.architecture.checkpointNames(path).join(", ");
    const { folder } = this.checkpoint;
    return new BidoraError("WEIGHTS", `${folder} lacks the weight ${path}: looked for ${names}.`);
  }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
