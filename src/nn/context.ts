// The context of a forward pass, and dropout.
import { type DropoutMask, dropout } from "../operators/dropout.js";
import type { MaskKey } from "../operators/philox.js";
import type { Tensor } from "../torch/index.js";
import { Module } from "./module.js";

/** A source of dropout masks: random numbers, or recorded masks. */
export interface MaskSource {
  /** The mask for one use of `dropout`: a key, or a tensor of `shape` with values 0 and 1 / (1 − p). */
  draw(dropout: { readonly p: number }, shape: readonly number[]): DropoutMask;
  /** The same masks from the first one on, for a pass that is repeated. */
  again?(): MaskSource;
}

/** Whether a forward pass trains or evaluates, and how. It is an argument, since modules have no training mode. */
export interface ForwardContext {
  /** Dropout masks for training; undefined for no dropout, as in evaluation. */
  readonly masks: MaskSource | undefined;
  /** Whether the backward pass recomputes layers instead of keeping their intermediate results. */
  readonly gradientCheckpointing?: boolean;
  /** Whether the pass is for inference, so that tensors that depend only on parameters may be kept for the next pass. */
  readonly inference?: boolean;
}

/** The context for evaluation and inference, without dropout. */
export const EVALUATION: ForwardContext = { masks: undefined, inference: true };

/** The masks of one pass, determined by its seed and the order in which dropouts are used. */
export class SeededMasks implements MaskSource {
  #uses = 0;

  /** @param seed an integer below 2⁵³ */
  constructor(readonly seed: number) {}

  draw(): MaskKey {
    return { seed: this.seed, stream: this.#uses++ };
  }

  again(): SeededMasks {
    return new SeededMasks(this.seed);
  }
}

/** While training, zeroes elements with probability `p` and scales the others by 1 / (1 − p). */
export class Dropout extends Module {
  constructor(readonly p: number) {
    super();
  }

  /** Whether dropout applies in this pass. */
  isActive(context: ForwardContext): boolean {
    return context.masks !== undefined && this.p > 0;
  }

  /** The mask for one use on a tensor of `shape`; undefined without dropout. */
  draw(shape: readonly number[], context: ForwardContext): DropoutMask | undefined {
    return this.p > 0 ? context.masks?.draw(this, shape) : undefined;
  }

  /** Applies the next mask to x. */
  forward(x: Tensor, context: ForwardContext): Tensor {
    return this.apply(x, this.draw(x.shape, context));
  }

  /** Applies a mask from `draw` to x. */
  apply(x: Tensor, mask: DropoutMask | undefined): Tensor {
    return mask ? dropout(x, this.p, mask) : x;
  }
}
