import { BidoraError } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import { Embedding, type Module, Norm, OutputLinear, type Parameter, transposed } from "../nn/index.js";
import { type AdaptedModel, TrainedTensor } from "./adapted.js";
import type { AdapterConfig } from "./adapterConfig.js";
import { isSaved } from "./targets.js";

/** A parameter of the model that is itself trained, with or without adapters. */
export interface FullyTrained {
  /** Its key in an adapter file, without `base_model.model.`. */
  readonly name: string;
  readonly parameter: Parameter;
  readonly decays: boolean;
  readonly isEmbedding: boolean;
  readonly isNorm: boolean;
}

/** Every parameter of a model, or of the modules that are `wanted`. */
export function* parametersOf(
  model: Module,
  wanted = (_path: string, _module: Module): boolean => true,
): Generator<FullyTrained> {
  for (const [path, module] of model.baseModules()) {
    if (!wanted(path, module)) continue;
    for (const [key, parameter] of module.ownParameters) {
      const name = path ? `${path}.${key}` : key;
      // As in transformers' Trainer: a table of biases of relative positions is a bias too.
      const isNorm = module instanceof Norm;
      const decays = !name.includes("bias") && !isNorm;
      yield { name, parameter, decays, isEmbedding: module instanceof Embedding, isNorm };
    }
  }
}

/**
 * The model's own parameters that a configuration trains: `modules_to_save`, and the norms and biases that it names.
 * @throws BidoraError `TARGET` for a module that shares its weight with another
 */
export function fullyTrainedParameters(
  model: Module,
  config: AdapterConfig,
  adaptedPaths: ReadonlySet<string>,
): FullyTrained[] {
  const { bias, modulesToSave, trainsNorms = false } = config;
  refuseTied(model, modulesToSave);
  const isWhole = (path: string, module: Module) =>
    isSaved(path, modulesToSave) || (trainsNorms && module instanceof Norm);
  const found = [...parametersOf(model, isWhole)];
  if (bias === "none") return found;
  for (const [path, module] of model.baseModules()) {
    const parameter = module.ownParameters.get("bias");
    const isAdapted = adaptedPaths.has(path);
    if (!parameter || isWhole(path, module) || (bias === "adapted" && !isAdapted)) continue;
    found.push({
      name: `${path}.${isAdapted ? "base_layer.bias" : "bias"}`,
      parameter,
      decays: false,
      isEmbedding: false,
      isNorm: module instanceof Norm,
    });
  }
  return found;
}

/** @throws BidoraError `TARGET` if only biases are to be trained and the model has none */
export function requireBiases({ method, bias }: AdapterConfig, whole: readonly FullyTrained[]): void {
  if (bias !== "all" || whole.length > 0) return;
  throw new BidoraError(
    "TARGET",
    `${method} trains biases, but this model has neither biases nor a head: choose another method, such as lora.`,
  );
}

/** Refuses tied modules. PEFT would train a copy of such a module and untie it. */
function refuseTied(model: Module, modulesToSave: readonly string[]): void {
  const modules = [...model.baseModules()];
  for (const [path, module] of modules) {
    if (!(module instanceof OutputLinear && module.tied)) continue;
    const table = modules.find(([, other]) => other === module.tied)?.[0] as string;
    const saved = [path, table].find((name) => isSaved(name, modulesToSave));
    if (saved === undefined) continue;
    throw new BidoraError(
      "TARGET",
      `modules_to_save names ${saved}, but ${path} and ${table} share one tensor, which cannot be trained for one of them only: leave it out, or name both in target_modules, which gives each an adapter.`,
    );
  }
}

/**
 * Gives a parameter a trained copy of `start` (stored as in files), or of its current tensor. Layers keep the dtype that they
 * compute in.
 */
export function trainParameter(
  { name, parameter, decays, isEmbedding, isNorm }: FullyTrained,
  dtype: torch.DType,
  start?: torch.Tensor,
): TrainedTensor {
  parameter.computeDtype ??= parameter.values.dtype;
  parameter.fill(start ? fromFile(parameter, start, dtype) : ownCopy(parameter.tensor, dtype));
  return new TrainedTensor(name, parameter, "direction", decays, isEmbedding, isNorm);
}

/** @throws BidoraError `TARGET` for a weight in quantized blocks */
export function refuseQuantized(wanted: readonly FullyTrained[]): void {
  const held = wanted.find(({ parameter }) => parameter.isFilled && !parameter.values.isDense);
  if (!held) return;
  throw new BidoraError(
    "TARGET",
    `${held.name} can't be trained, since its quantized blocks stay as they are: load the model without baseDtype (--base-dtype), or train an adapter.`,
  );
}

function fromFile({ isStoredTransposed, values }: Parameter, stored: torch.Tensor, dtype: torch.DType): torch.Tensor {
  const turned = () => (isStoredTransposed ? transposed(stored) : stored);
  return torch.scope(() => torch.keep(ownCopy(torch.onDevice(turned(), values.device), dtype)));
}

/** A contiguous copy that training may change in place. */
export function ownCopy(tensor: torch.Tensor, dtype: torch.DType): torch.Tensor {
  return torch.keep(torch.scope(() => torch.clone(torch.to(tensor, dtype), { memoryFormat: "contiguous" })));
}

/** Trains every parameter of a model, each in `dtype`: float32, or float64 for checks. @throws BidoraError `TARGET` for one in quantized blocks */
export function trainEverything(model: Module, dtype: torch.DType = "float32"): AdaptedModel<undefined> {
  return torch.noGrad(() => {
    const wanted = [...parametersOf(model)];
    refuseQuantized(wanted);
    const trained = wanted.map((parameter) => trainParameter(parameter, dtype));
    for (const { tensor } of trained) tensor.setRequiresGrad(true);
    return { model, config: undefined, modules: [], trained, shared: undefined };
  });
}
