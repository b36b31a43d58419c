import type { Embedding, Linear, Parameter } from "../nn/index.js";
import type { Tensor } from "../torch/index.js";
import type { AdapterConfig } from "./config.js";
import { DoraLinear } from "./dora.js";
import { DoraEmbedding, type LoraEmbedding } from "./embedding.js";
import type { LoraLinear } from "./lora.js";
import type { LowRank } from "./lowRank.js";
import { B_BIAS, MAGNITUDE, SUFFIXES } from "./slots.js";

/** One adapted module: where it is, and what was put there. */
export type AdaptedModule =
  | {
      readonly kind: "linear";
      readonly path: string;
      readonly layer: Linear;
      readonly adapter: LoraLinear | DoraLinear;
    }
  | {
      readonly kind: "embedding";
      readonly path: string;
      readonly layer: Embedding;
      readonly adapter: LoraEmbedding | DoraEmbedding;
    };

/** What a trained tensor is for: BiDoRA trains directions in its lower level and magnitudes in its upper one. */
export type TrainedRole = "direction" | "magnitude";

/** A place whose tensor training changes, or replaces by another. */
export class TrainedTensor {
  constructor(
    /** Its key in an adapter file, without `base_model.model.`. */
    readonly name: string,
    readonly parameter: Parameter,
    readonly role: TrainedRole,
    /** Weight decay applies: not to biases and norm weights. */
    readonly decays: boolean,
  ) {}

  /** What the place holds now. */
  get tensor(): Tensor {
    return this.parameter.tensor;
  }
}

/** A model's adapters, and the tensors that are trained because of them. */
export interface AdaptedModel<Config extends AdapterConfig = AdapterConfig> {
  readonly config: Config;
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

/** The adapter's own tensors by the names they have in PEFT's files. */
export function adapterTensors(module: AdaptedModule): TrainedTensor[] {
  const { path, kind } = module;
  const { a, b, bBias } = lowRankOf(module).parameters;
  const named = (suffix: string, parameter: Parameter, role: TrainedRole, decays = true) =>
    new TrainedTensor(`${path}.${suffix}`, parameter, role, decays);
  const tensors = [named(SUFFIXES[kind].a, a, "direction"), named(SUFFIXES[kind].b, b, "direction")];
  if (bBias) tensors.push(named(B_BIAS, bBias, "direction", false));
  const magnitude = magnitudeOf(module);
  if (magnitude) tensors.push(named(MAGNITUDE, magnitude, "magnitude"));
  return tensors;
}
