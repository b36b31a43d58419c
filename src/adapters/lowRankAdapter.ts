import type * as torch from "../torch/index.js";
import { Adapter, type Layer } from "./adapter.js";
import type { LowRank } from "./lowRank.js";

/** What LoRA's and DoRA's adapters have in common. */
export abstract class LowRankAdapter extends Adapter {
  constructor(override readonly lowRank: LowRank) {
    super();
    this.child("lora_dropout", lowRank.dropout);
  }

  get rank(): number {
    return this.lowRank.rank;
  }

  get dtype(): torch.DType {
    return this.lowRank.a.dtype;
  }

  override whyNotMerged(layer: Layer): string | undefined {
    const hasBias = layer.ownParameters.has("bias");
    return this.lowRank.bBias && !hasBias ? "has no bias that lora_bias could be merged into" : undefined;
  }

  /** W0 + s·B·A: without a magnitude, the direction is the weight. */
  mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor {
    return this.lowRank.direction(layer, dtype);
  }

  override biasUpdate(dtype: torch.DType): torch.Tensor | undefined {
    return this.lowRank.biasUpdate(dtype);
  }
}
