import { checkArguments } from "../common/arguments.js";
import { BidoraError } from "../common/errors.js";
import { Embedding, type Linear, type Module } from "../nn/index.js";
import { aModule, aTargetedConfig } from "./arguments.js";
import type { TargetedConfig } from "./config.js";
import { findTargets } from "./targets.js";

/** Where an adapted layer is, and the size of its weight. */
export interface SlotBase {
  readonly path: string;
  /** A change of the weight has this shape, [out, in]: that of a linear layer's weight, turned round for an embedding. */
  readonly out: number;
  readonly in: number;
}

/** A layer that an adapter goes to. */
export type Slot =
  | (SlotBase & { readonly kind: "linear"; readonly layer: Linear })
  | (SlotBase & { readonly kind: "embedding"; readonly layer: Embedding });

/**
 * The layers that target modules name in a model, in the model's order.
 * @throws BidoraError `TARGET` for none, or for one that can't have an adapter; `PATTERN`
 */
export function targetSlots(model: Module, config: TargetedConfig): Slot[] {
  checkArguments("targetSlots", ["model", model, aModule], ["config", config, aTargetedConfig]);
  return Array.from(findTargets(model, config), ([path, layer]) => slotOf(path, layer));
}

function slotOf(path: string, layer: Linear | Embedding): Slot {
  if (layer instanceof Embedding) return { path, kind: "embedding", layer, out: layer.dim, in: layer.count };
  return { path, kind: "linear", layer, out: layer.outFeatures, in: layer.inFeatures };
}

/**
 * The same for a method that goes to linear layers alone.
 * @param what says so: the beginning of a sentence
 * @throws BidoraError `ADAPTER_CONFIG` naming an embedding among them
 */
export function linearSlots(model: Module, config: TargetedConfig, what: string): Slot[] {
  const slots = targetSlots(model, config);
  const embedding = slots.find(({ kind }) => kind === "embedding");
  if (!embedding) return slots;
  throw new BidoraError("ADAPTER_CONFIG", `${what}: exclude the embedding ${embedding.path}.`);
}
