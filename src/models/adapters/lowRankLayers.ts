// Shapes: A [r, in], B [out, r], B's bias [out].

import { BidoraError } from "../../base/index.js";
import type * as torch from "../../torch/index.js";
import type { LowRankFactors } from "../../torch/operators/index.js";
import type { ForwardContext, Linear, Module, Parameter } from "../nn/index.js";
import { Adapter, type Layer } from "./adapter.js";
import { LowRank } from "./lowRank.js";
import { type LowRankConfig, rankAndScale } from "./lowRankConfig.js";
import { normal, type TensorSpec, uniform, zeros } from "./method.js";
import { checkStart } from "./starts/start.js";
import { type Slot, targetSlots } from "./targets.js";

/** Names of an adapted layer's tensors in PEFT's files, after the layer's path. */
export const LOW_RANK_NAMES = {
  linear: { a: "lora_A.weight", b: "lora_B.weight" },
  embedding: { a: "lora_embedding_A", b: "lora_embedding_B" },
} as const;
export const B_BIAS = "lora_B.bias";
export const MAGNITUDE = "lora_magnitude_vector";

/** @throws BidoraError `ADAPTER_CONFIG` for a bias of B in an embedding, and as `targetSlots` */
export function lowRankSlots(model: Module, config: LowRankConfig): Slot[] {
  const slots = targetSlots(model, config);
  const embedding = slots.find(({ kind }) => kind === "embedding");
  if (config.loraBias && embedding) {
    throw new BidoraError(
      "ADAPTER_CONFIG",
      `lora_bias does not go with the embedding ${embedding.path}: exclude that module.`,
    );
  }
  checkStart(slots, config);
  return slots;
}

/** The update starts at zero. As in PEFT, a linear layer has a random A and a zero B, an embedding the opposite. */
export function lowRankTensors(slot: Slot, config: LowRankConfig): TensorSpec[] {
  const { rank } = rankAndScale(config, slot.path);
  const { a, b } = LOW_RANK_NAMES[slot.kind];
  // Uniform in ±1/√in is Kaiming's initialization with a = √5.
  const drawn =
    config.initLoraWeights === "gaussian"
      ? normal(a, [rank, slot.in], 1 / rank)
      : uniform(a, [rank, slot.in], 1 / Math.sqrt(slot.in));
  const specs =
    slot.kind === "linear"
      ? [drawn, zeros(b, [slot.out, rank])]
      : [zeros(a, [rank, slot.in]), normal(b, [slot.out, rank], 1)];
  return config.loraBias ? [...specs, zeros(B_BIAS, [slot.out], { decays: false })] : specs;
}

export function lowRankOf(slot: Slot, config: LowRankConfig, parameters: ReadonlyMap<string, Parameter>): LowRank {
  const { a, b } = LOW_RANK_NAMES[slot.kind];
  const own = {
    a: parameters.get(a)!,
    b: parameters.get(b)!,
    bBias: parameters.get(B_BIAS),
  };
  return new LowRank(own, rankAndScale(config, slot.path).scale, slot.kind === "linear" ? config.dropout : 0);
}

/** The base class of adapters with a low-rank update. */
export abstract class LowRankAdapter extends Adapter {
  /** @param dropout the name of its dropout in PEFT's modules */
  constructor(
    override readonly lowRank: LowRank,
    dropout = "lora_dropout",
  ) {
    super();
    this.child(dropout, lowRank.dropout);
  }

  protected override release(): void {
    this.lowRank.dispose();
    super.release();
  }

  get rank(): number {
    return this.lowRank.rank;
  }

  get dtype(): torch.DType {
    return this.lowRank.dtype;
  }

  override whyNotMerged(layer: Layer): string | undefined {
    const hasBias = layer.ownParameters.has("bias");
    return this.lowRank.bBias && !hasBias ? "has no bias that lora_bias could be merged into" : undefined;
  }

  /** W0 + s·B·A: without a magnitude, the direction is the weight. */
  mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor {
    return this.lowRank.direction(layer, dtype);
  }

  override biasUpdate(_layer: Layer, dtype: torch.DType): torch.Tensor | undefined {
    return this.lowRank.biasUpdate(dtype);
  }
}

/** y = x·W0ᵀ + b + s·(x̃·Aᵀ)·Bᵀ: LoRA (arXiv 2106.09685), and methods whose A and B are computed from other tensors. */
export class LowRankLinear extends LowRankAdapter {
  override get update(): LowRankFactors {
    return this.lowRank.factors;
  }

  forward(x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor {
    const branch = this.lowRank.drop(x, context);
    return this.lowRank.linear(x, layer, branch === x ? {} : { branch });
  }

  override get followsLayer(): boolean {
    return true;
  }

  override afterLayer(base: torch.Tensor, x: torch.Tensor, layer: Linear): torch.Tensor {
    return this.lowRank.afterLinear(base, x, layer);
  }
}
