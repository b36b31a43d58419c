import type { Module, Parameter } from "../nn/index.js";
import type { AdaptedModel } from "./adapted.js";
import type { Adapter } from "./adapter.js";
import type { AdapterConfig } from "./config.js";
import type { LayerPart, TensorSpec } from "./method.js";
import { methodOf } from "./registry.js";
import type { Slot } from "./slots.js";
import type { TrainingHooks } from "./trainingHooks.js";
import { type WholeParameter, wholeParameters } from "./whole.js";

/** A layer that an adapter goes to. */
export interface PlannedLayer {
  readonly slot: Slot;
  readonly tensors: readonly TensorSpec[];
  build(parameters: ReadonlyMap<string, Parameter>): Adapter;
}

/** A layer's tensor, as the module tree and a file call it. */
export const nameIn = ({ path }: Slot, { name }: TensorSpec): string => `${path}.${name}`;

/** What an adapter's settings come to in a model, before anything is there. */
export interface Plan<Config extends AdapterConfig = AdapterConfig> {
  readonly layers: readonly PlannedLayer[];
  readonly shared: readonly TensorSpec[];
  readonly whole: readonly WholeParameter[];
  hooks(adapted: AdaptedModel<Config>): TrainingHooks | undefined;
}

/** @throws BidoraError `TARGET`, `ADAPTER_CONFIG`, `PATTERN` */
export function planOf<Config extends AdapterConfig>(
  model: Module,
  config: Config,
  part: LayerPart<Config> | undefined = methodOf(config).inLayers,
): Plan<Config> {
  const slots = part?.findSlots(model, config) ?? [];
  return {
    layers: part ? slots.map((slot) => planLayer(slot, config, part)) : [],
    shared: part?.shared?.(slots, config) ?? [],
    whole: wholeParameters(model, config, new Set(slots.map(({ path }) => path))),
    hooks: (adapted) => part?.trainingHooks?.(adapted),
  };
}

function planLayer<Config extends AdapterConfig>(slot: Slot, config: Config, part: LayerPart<Config>): PlannedLayer {
  return {
    slot,
    tensors: part.tensors(slot, config),
    build: (parameters) => part.build(slot, config, parameters),
  };
}

/** The tensors of an adapter file, by name without `base_model.model.`, with their shapes. */
export function plannedShapes({
  layers,
  shared,
  whole,
}: Pick<Plan, "layers" | "shared" | "whole">): Map<string, readonly number[]> {
  return new Map([
    ...shared.map(({ name, shape }) => [name, shape] as const),
    ...layers.flatMap(({ slot, tensors }) => tensors.map((spec) => [nameIn(slot, spec), spec.shape] as const)),
    ...whole.map(({ name, parameter }) => [name, parameter.storedShape] as const),
  ]);
}
