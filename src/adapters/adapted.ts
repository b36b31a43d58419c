import type { Embedding, Linear, Parameter } from "../nn/index.js";
import type { AdapterConfig } from "./config.js";
import { DoraLinear } from "./dora.js";
import { DoraEmbedding, LoraEmbedding } from "./embedding.js";
import { LoraLinear } from "./lora.js";
import type { LowRank } from "./lowRank.js";

/** One adapted module: where it is, and what was put there. */
export type AdaptedModule =
  | { readonly kind: "linear"; readonly path: string; readonly layer: Linear; readonly adapter: LoraLinear | DoraLinear }
  | { readonly kind: "embedding"; readonly path: string; readonly layer: Embedding; readonly adapter: LoraEmbedding | DoraEmbedding };

/** What a trained tensor is for: BiDoRA trains directions in its lower level and magnitudes in its upper one. */
export type TrainedRole = "direction" | "magnitude";

/** A place whose tensor training changes or replaces. */
export interface TrainedTensor {
  /** Its key in an adapter file, without `base_model.model.`. */
  readonly name: string;
  readonly parameter: Parameter;
  readonly role: TrainedRole;
  /** Weight decay applies: not to biases and norm weights. */
  readonly decays: boolean;
}

/** A model's adapters, and the tensors that are trained because of them. */
export interface AdaptedModel {
  readonly config: AdapterConfig;
  readonly modules: readonly AdaptedModule[];
  readonly trained: readonly TrainedTensor[];
}

export function lowRankOf(module: AdaptedModule): LowRank {
  return module.adapter.lowRank;
}

/** The magnitude vector of a DoRA module, or undefined. */
export function magnitudeOf({ adapter }: AdaptedModule): Parameter | undefined {
  return adapter instanceof DoraLinear || adapter instanceof DoraEmbedding ? adapter.magnitudeParameter : undefined;
}

/** The adapter's own tensors by the suffix they have in PEFT's files. */
export function adapterTensors(module: AdaptedModule): TrainedTensor[] {
  const { path } = module;
  const { a, b, bBias } = lowRankOf(module).parameters;
  const [nameA, nameB] = module.kind === "linear" ? ["lora_A.weight", "lora_B.weight"] : ["lora_embedding_A", "lora_embedding_B"];
  const direction = (suffix: string, parameter: Parameter, decays = true): TrainedTensor => ({ name: `${path}.${suffix}`, parameter, role: "direction", decays });
  const tensors = [direction(nameA as string, a), direction(nameB as string, b)];
  if (bBias) tensors.push(direction("lora_B.bias", bBias, false));
  const magnitude = magnitudeOf(module);
  if (magnitude) tensors.push({ name: `${path}.lora_magnitude_vector`, parameter: magnitude, role: "magnitude", decays: true });
  return tensors;
}
