import * as torch from "../torch/index.js";
import type { ForwardContext, MaskSource } from "./context.js";
import { Module } from "./module.js";

/** Zeroes elements with probability `p` and scales the others by 1 / (1 − p) while training. */
export class Dropout extends Module {
  constructor(readonly p: number) {
    super();
  }

  /** True when this pass drops something. */
  isActive(context: ForwardContext): boolean {
    return context.masks !== undefined && this.p > 0;
  }

  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    if (!context.masks || this.p === 0) return x;
    return torch.mul(x, context.masks.mask(this, x.shape, x.dtype));
  }
}

/** Masks drawn from a generator, whose saved state replays them. */
export class DrawnMasks implements MaskSource {
  constructor(readonly generator: torch.Generator) {}

  mask(dropout: Dropout, shape: readonly number[], dtype: torch.DType): torch.Tensor {
    const kept = 1 - dropout.p;
    const mask = torch.bernoulli_(torch.empty(shape, { dtype }), kept, { generator: this.generator });
    return kept === 0 ? mask : torch.divScalar_(mask, kept);
  }
}
