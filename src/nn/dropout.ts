import * as torch from "../torch/index.js";
import type { ForwardContext, MaskKey, MaskSource } from "./context.js";
import { Module } from "./module.js";

/** What one use of a dropout drops: numbers by index, a mask of 0 and 1 / (1 − p), or nothing. */
export type Drawn = MaskKey | torch.Tensor | undefined;

/** Zeroes elements with probability `p` and scales the others by 1 / (1 − p) while training. */
export class Dropout extends Module {
  constructor(readonly p: number) {
    super();
  }

  /** True when this pass drops something. */
  isActive(context: ForwardContext): boolean {
    return context.masks !== undefined && this.p > 0;
  }

  /** What one use drops of a tensor of `shape`. */
  draw(shape: readonly number[], context: ForwardContext): Drawn {
    return this.p > 0 ? context.masks?.draw(this, shape) : undefined;
  }

  /** Drops from x what this use draws. */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.apply(x, this.draw(x.shape, context));
  }

  /** Drops from x what was drawn for it. */
  apply(x: torch.Tensor, drawn: Drawn): torch.Tensor {
    if (!drawn) return x;
    return drawn instanceof torch.Tensor ? torch.mul(x, drawn) : torch.dropout(x, this.p, drawn.seed, drawn.stream);
  }
}

/** One pass's masks: they follow from its seed and from the order in which dropouts are used. */
export class DrawnMasks implements MaskSource {
  #uses = 0;

  /** @param seed a whole number below 2⁵³ */
  constructor(readonly seed: number) {}

  draw(): MaskKey {
    return { seed: this.seed, stream: this.#uses++ };
  }
}
