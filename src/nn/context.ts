// The context of a forward pass, and dropout.
import { type DropoutMask, dropout } from "../operators/dropout.js";
import { type MaskKey, streamOf } from "../operators/philox.js";
import type { Tensor } from "../torch/index.js";
import { Module } from "./module.js";

/** A source of dropout masks: random numbers, or recorded masks. */
export interface MaskSource {
  /** The mask for one use of `dropout`: a key, or a tensor of `shape` with values 0 and 1 / (1 − p). */
  draw(dropout: { readonly p: number }, shape: readonly number[]): DropoutMask;
  /** The same masks from the first one on, for a pass that is repeated. */
  again?(): MaskSource;
  /** Other masks, for a part of the pass with this number. */
  part?(number: number): MaskSource;
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

/** How many tensors of a kind (tokens, rows) a rank has, and how many of the whole batch come before them, on other ranks. */
export interface Stretch {
  readonly count: number;
  readonly before: number;
}

/** The most uses of dropout in a part of a pass. */
const MOST_USES = 2 ** 16;

/**
 * The masks of one pass, determined by its seed and the order in which dropouts are used. Masks belong to the rows of the whole batch: a
 * rank draws those of its own rows.
 */
export class SeededMasks implements MaskSource {
  #uses: number;

  /**
   * @param seed an integer below 2⁵³
   * @param stretches what this rank has of the whole batch: tokens, rows, and whatever else a tensor's first dimension can count
   * @param first the number of the first use
   */
  constructor(
    readonly seed: number,
    readonly stretches: readonly Stretch[] = [],
    private readonly first = 0,
  ) {
    this.#uses = first;
  }

  draw(_dropout: { readonly p: number }, [count]: readonly number[]): MaskKey {
    const stretch = this.stretches.find((own) => own.count === count) ?? this.stretches[0];
    return { seed: this.seed, stream: streamOf(this.#uses++, stretch?.before ?? 0) };
  }

  again(): SeededMasks {
    return new SeededMasks(this.seed, this.stretches, this.first);
  }

  part(number: number): SeededMasks {
    return new SeededMasks(this.seed, this.stretches, number * MOST_USES);
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
