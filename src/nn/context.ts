// What a forward pass is for, and its dropout.
import { type DropoutMask, dropout } from "../operators/dropout.js";
import type { MaskKey } from "../operators/philox.js";
import type { Tensor } from "../torch/index.js";
import { Module } from "./module.js";

/** Where dropout masks come from: a pass's random numbers, or a recording. */
export interface MaskSource {
  /** For one use of `dropout`: a key, or a mask of `shape` whose elements are 0 or 1 / (1 − p). */
  draw(dropout: { readonly p: number }, shape: readonly number[]): DropoutMask;
}

/** What a forward pass is for. It is passed explicitly: modules have no mode. */
export interface ForwardContext {
  /** Dropout's masks while training; undefined leaves dropout out, as in evaluation. */
  readonly masks: MaskSource | undefined;
  /** The backward pass computes layers again instead of keeping what their gradients need. */
  readonly gradientCheckpointing?: boolean;
  /** Nothing is trained in this pass, so tensors that depend on parameters alone may be kept for the next one. */
  readonly inference?: boolean;
}

/** The context of a pass that nothing is learnt from: no dropout. */
export const EVALUATION: ForwardContext = { masks: undefined, inference: true };

/** One pass's masks: they follow from its seed and from the order in which dropouts are used. */
export class SeededMasks implements MaskSource {
  #uses = 0;

  /** @param seed a whole number below 2⁵³ */
  constructor(readonly seed: number) {}

  draw(): MaskKey {
    return { seed: this.seed, stream: this.#uses++ };
  }
}

/** Zeroes elements with probability `p` and scales the others by 1 / (1 − p) while training. */
export class Dropout extends Module {
  constructor(readonly p: number) {
    super();
  }

  /** True when this pass drops something. */
  isActive(context: ForwardContext): boolean {
    return context.masks !== undefined && this.p > 0;
  }

  /** The mask for one use on a tensor of `shape`; undefined where nothing is dropped. */
  draw(shape: readonly number[], context: ForwardContext): DropoutMask | undefined {
    return this.p > 0 ? context.masks?.draw(this, shape) : undefined;
  }

  /** x with the next mask applied. */
  forward(x: Tensor, context: ForwardContext): Tensor {
    return this.apply(x, this.draw(x.shape, context));
  }

  /** x with a mask from `draw` applied. */
  apply(x: Tensor, mask: DropoutMask | undefined): Tensor {
    return mask ? dropout(x, this.p, mask) : x;
  }
}
