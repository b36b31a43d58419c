import { Embedding, LayerNorm, Linear, type Module, type Parameter } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type AdaptedModel, type AdaptedModule, adapterTensors, type TrainedTensor } from "./adapted.js";
import { type AdapterConfig, rankAndScale } from "./config.js";
import { DoraLinear } from "./dora.js";
import { DoraEmbedding, LoraEmbedding } from "./embedding.js";
import { LoraLinear } from "./lora.js";
import { drawLowRank, LowRank } from "./lowRank.js";
import { findTargets, isSaved } from "./targets.js";

export interface InjectOptions {
  readonly generator: torch.Generator;
  /** The dtype of trained tensors: float32, or float64 for checks. */
  readonly dtype?: torch.DType;
  /** Saved tensors to start from, by name without `base_model.model.`; missing ones are an error of the caller's. */
  readonly saved?: ReadonlyMap<string, torch.Tensor>;
}

/**
 * Puts adapters into a model from outside and marks what is trained: A and B, magnitudes, `modules_to_save`, and the
 * biases that the configuration names. Before the first step the model computes what it computed without them.
 */
export function inject(model: Module, config: AdapterConfig, options: InjectOptions): AdaptedModel {
  return torch.noGrad(() => {
    const modules: AdaptedModule[] = [];
    for (const [path, layer] of findTargets(model, config)) modules.push(adaptModule(path, layer, config, options));
    const own = modules.flatMap(adapterTensors);
    const whole = wholeModules(model, config.modulesToSave, options);
    const trained = [...own, ...whole, ...trainedBiases(model, modules, config, options)];
    for (const { parameter } of trained) parameter.tensor.setRequiresGrad(true);
    return { config, modules, trained };
  });
}

/** Takes the adapters out again: the model computes what its weights say. */
export function eject(adapted: AdaptedModel): void {
  for (const module of adapted.modules) module.layer.adapter = undefined;
}

function adaptModule(path: string, layer: Linear | Embedding, config: AdapterConfig, options: InjectOptions): AdaptedModule {
  if (layer instanceof Embedding) {
    const adapter = makeEmbeddingAdapter(path, layer, config, options);
    layer.adapter = adapter;
    return { kind: "embedding", path, layer, adapter };
  }
  const adapter = makeLinearAdapter(path, layer, config, options);
  layer.adapter = adapter;
  return { kind: "linear", path, layer, adapter };
}

function makeLinearAdapter(path: string, layer: Linear, config: AdapterConfig, options: InjectOptions): LoraLinear | DoraLinear {
  const { rank, scale } = rankAndScale(config, path);
  const drawn = () =>
    drawLowRank(
      { out: layer.outFeatures, in: layer.inFeatures, rank },
      { scale, dropout: config.dropout, bBias: config.loraBias, dtype: trainedDtype(options), generator: options.generator },
    );
  const lowRank = savedLowRank(path, ["lora_A.weight", "lora_B.weight"], scale, config, options) ?? kept(drawn());
  if (config.method === "lora") return new LoraLinear(lowRank);
  const { axis, normGradient } = config;
  const weight = layer.weight.tensor;
  const magnitude = options.saved?.get(`${path}.lora_magnitude_vector`);
  if (magnitude) return new DoraLinear(lowRank, own(magnitude, options), axis, normGradient, weight);
  const unset = torch.keep(torch.empty([axis === "out" ? layer.outFeatures : layer.inFeatures], { dtype: trainedDtype(options) }));
  const adapter = new DoraLinear(lowRank, unset, axis, normGradient, weight);
  torch.scope(() => torch.copy_(unset, adapter.norm(layer)));
  return adapter;
}

function makeEmbeddingAdapter(path: string, layer: Embedding, config: AdapterConfig, options: InjectOptions): LoraEmbedding | DoraEmbedding {
  const { rank, scale } = rankAndScale(config, path);
  const lowRank =
    savedLowRank(path, ["lora_embedding_A", "lora_embedding_B"], scale, config, options) ?? kept(drawEmbedding(layer, rank, scale, options));
  if (config.method === "lora") return new LoraEmbedding(lowRank);
  const magnitude = options.saved?.get(`${path}.lora_magnitude_vector`);
  if (magnitude) return new DoraEmbedding(lowRank, own(magnitude, options), config.normGradient, layer.weight.tensor);
  const unset = torch.keep(torch.empty([layer.dim], { dtype: trainedDtype(options) }));
  const adapter = new DoraEmbedding(lowRank, unset, config.normGradient, layer.weight.tensor);
  torch.scope(() => torch.copy_(unset, adapter.norm(layer)));
  return adapter;
}

/** As PEFT: A zero, B normal. */
function drawEmbedding(layer: Embedding, rank: number, scale: number, options: InjectOptions): LowRank {
  const dtype = trainedDtype(options);
  const a = torch.zeros([rank, layer.count], { dtype });
  const b = torch.normal_(torch.empty([layer.dim, rank], { dtype }), 0, 1, { generator: options.generator });
  return new LowRank(a, b, undefined, scale, 0);
}

function savedLowRank(
  path: string,
  [nameA, nameB]: readonly [string, string],
  scale: number,
  config: AdapterConfig,
  options: InjectOptions,
): LowRank | undefined {
  const a = options.saved?.get(`${path}.${nameA}`);
  const b = options.saved?.get(`${path}.${nameB}`);
  if (!a || !b) return undefined;
  const bBias = options.saved?.get(`${path}.lora_B.bias`);
  return new LowRank(own(a, options), own(b, options), bBias && own(bBias, options), scale, config.dropout);
}

/** Every tensor of the modules that are trained whole, in the trained dtype. */
function wholeModules(model: Module, modulesToSave: readonly string[], options: InjectOptions): TrainedTensor[] {
  const trained: TrainedTensor[] = [];
  if (modulesToSave.length === 0) return trained;
  for (const [path, module] of model.namedModules()) {
    if (path === "" || !isSaved(path, modulesToSave)) continue;
    for (const [name, parameter] of module.ownParameters) {
      const decays = name !== "bias" && !(module instanceof LayerNorm);
      trained.push(trainWhole(`${path}.${name}`, parameter, decays, options));
    }
  }
  return trained;
}

function trainedBiases(model: Module, modules: readonly AdaptedModule[], config: AdapterConfig, options: InjectOptions): TrainedTensor[] {
  if (config.bias === "none") return [];
  const adapted = new Set(modules.map((module) => module.path));
  const trained: TrainedTensor[] = [];
  for (const [path, module] of model.namedModules()) {
    const bias = module.ownParameters.get("bias");
    if (!bias || isSaved(path, config.modulesToSave)) continue;
    if (config.bias === "lora_only" && !adapted.has(path)) continue;
    trained.push(trainWhole(adapted.has(path) ? `${path}.base_layer.bias` : `${path}.bias`, bias, false, options));
  }
  return trained;
}

function trainWhole(name: string, parameter: Parameter, decays: boolean, options: InjectOptions): TrainedTensor {
  parameter.fill(own(options.saved?.get(name) ?? parameter.tensor, options));
  return { name, parameter, role: "direction", decays };
}

const trainedDtype = (options: InjectOptions): torch.DType => options.dtype ?? "float32";

/** A copy of its own in the trained dtype, which training may change in place. */
function own(tensor: torch.Tensor, options: InjectOptions): torch.Tensor {
  return torch.keep(torch.clone(torch.to(tensor, trainedDtype(options))));
}

function kept(lowRank: LowRank): LowRank {
  for (const tensor of [lowRank.a, lowRank.b, lowRank.bBias]) if (tensor) torch.keep(tensor);
  return lowRank;
}
