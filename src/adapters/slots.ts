import { BidoraError } from "../common/errors.js";
import { Embedding, type Linear, type Module } from "../nn/index.js";
import { type InjectedConfig, rankAndScale } from "./config.js";
import { findTargets } from "./targets.js";

/** What the tensors of an adapted module are called in PEFT's files, after the module's path. */
export const SUFFIXES = {
  linear: { a: "lora_A.weight", b: "lora_B.weight" },
  embedding: { a: "lora_embedding_A", b: "lora_embedding_B" },
} as const;
export const B_BIAS = "lora_B.bias";
export const MAGNITUDE = "lora_magnitude_vector";

type Shape = readonly number[];

interface SlotBase {
  readonly path: string;
  readonly rank: number;
  readonly scale: number;
  /** B·A has this shape: that of the layer's weight, turned round for an embedding. */
  readonly out: number;
  readonly in: number;
  /** The length of the magnitude vector; undefined for LoRA. */
  readonly magnitude: number | undefined;
  readonly hasBBias: boolean;
}

/** A place that an adapter goes to, before it is there. */
export type Slot =
  | (SlotBase & { readonly kind: "linear"; readonly layer: Linear })
  | (SlotBase & { readonly kind: "embedding"; readonly layer: Embedding });

/**
 * The places that a configuration names in a model, in the model's order.
 * @throws BidoraError `TARGET` for none, `ADAPTER_CONFIG` for a combination that does not exist
 */
export function findSlots(model: Module, config: InjectedConfig): Slot[] {
  if (config.method === "dora" && config.loraBias) {
    throw new BidoraError(
      "ADAPTER_CONFIG",
      "lora_bias and use_dora exclude each other, as in PEFT: leave one of them out.",
    );
  }
  return Array.from(findTargets(model, config), ([path, layer]) => slotOf(path, layer, config));
}

function slotOf(path: string, layer: Linear | Embedding, config: InjectedConfig): Slot {
  const { rank, scale } = rankAndScale(config, path);
  const common = { path, rank, scale, hasBBias: config.loraBias };
  const axis = config.method === "dora" ? config.axis : undefined;
  if (layer instanceof Embedding) {
    if (config.loraBias) {
      throw new BidoraError("ADAPTER_CONFIG", `lora_bias does not go with the embedding ${path}: exclude that module.`);
    }
    const { count, dim } = layer;
    return { ...common, kind: "embedding", layer, out: dim, in: count, magnitude: axis && dim };
  }
  const { outFeatures, inFeatures } = layer;
  const magnitude = axis && (axis === "out" ? outFeatures : inFeatures);
  return { ...common, kind: "linear", layer, out: outFeatures, in: inFeatures, magnitude };
}

/** The tensors that a slot has in an adapter file, by name without `base_model.model.`, with their shapes. */
export function slotShapes(slot: Slot): Map<string, Shape> {
  const { a, b } = SUFFIXES[slot.kind];
  const shapes = new Map<string, Shape>([
    [`${slot.path}.${a}`, [slot.rank, slot.in]],
    [`${slot.path}.${b}`, [slot.out, slot.rank]],
  ]);
  if (slot.hasBBias) shapes.set(`${slot.path}.${B_BIAS}`, [slot.out]);
  if (slot.magnitude !== undefined) shapes.set(`${slot.path}.${MAGNITUDE}`, [slot.magnitude]);
  return shapes;
}
