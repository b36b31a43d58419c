// The context of a forward pass, and dropout.

import type { Tensor } from "../../torch/index.js";
import { type DropoutMask, dropout, type MaskKey, streamOf } from "../../torch/operators/index.js";
import { Module } from "./module.js";

/** A source of dropout masks: random numbers, or recorded masks. */
export interface MaskSource {
  /** The mask for one use of `dropout`: a key, or a tensor of `shape` with values 0 and 1 / (1 − p). */
  draw(dropout: { readonly p: number }, shape: readonly number[]): DropoutMask;
  /** The same masks from the first one on, for a pass that is repeated. */
  again?(): MaskSource;
  /** Other masks, for a part of the pass with this number. */
  part?(number: number): MaskSource;
  /** The next masks, for tensors that begin with this row of a table that all ranks have. */
  ofTable?(first: number): MaskSource;
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

/** The context for tensors that begin with row `first` of a table that all ranks have. */
export function ofTable(context: ForwardContext, first: number): ForwardContext {
  return { ...context, masks: context.masks?.ofTable?.(first) ?? context.masks };
}

/** The context for evaluation and inference, without dropout. */
export const EVALUATION: ForwardContext = { masks: undefined, inference: true };

/** How many tokens or rows a rank has, and how many of the whole batch come before them, on other ranks. */
interface Stretch {
  readonly count: number;
  readonly before: number;
}

/** What a rank has of the whole batch. */
export interface OwnPart {
  readonly tokens: Stretch;
  /** The rows of the model's input. */
  readonly rows: Stretch;
  /** The rows or tokens with a loss. */
  readonly labeled: Stretch;
}

/** The most uses of dropout in a part of a pass. */
const MOST_USES = 2 ** 16;

/**
 * The masks of one pass, determined by its seed and the order in which dropouts are used. Masks belong to the rows of the whole batch, of
 * which a rank draws its own, or to those of a table.
 */
export class SeededMasks implements MaskSource {
  #uses: number;

  /**
   * @param seed an integer below 2⁵³
   * @param own what this rank has of the whole batch; by default all of it
   * @param first the number of the first use
   */
  constructor(
    readonly seed: number,
    readonly own?: OwnPart,
    private readonly first = 0,
  ) {
    this.#uses = first;
  }

  draw(_dropout: { readonly p: number }, shape: readonly number[]): MaskKey {
    return this.next(this.own ? firstOf(this.own, shape) : 0);
  }

  again(): SeededMasks {
    return new SeededMasks(this.seed, this.own, this.first);
  }

  part(number: number): SeededMasks {
    return new SeededMasks(this.seed, this.own, number * MOST_USES);
  }

  ofTable(first: number): MaskSource {
    return { draw: () => this.next(first) };
  }

  private next(before: number): MaskKey {
    return { seed: this.seed, stream: streamOf(this.#uses++, before) };
  }
}

/** The index in the whole batch of a tensor's first row. Attention's masks, of four dimensions, count the rows of the model's input. */
function firstOf({ tokens, rows, labeled }: OwnPart, [count, ...others]: readonly number[]): number {
  if (others.length === 3) return rows.before;
  return ([tokens, labeled, rows].find((stretch) => stretch.count === count) ?? tokens).before;
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
