import type { Tensor } from "../torch/index.js";

/**
 * Random numbers by index: each element's number follows from the key and the element's index alone, so a mask need not
 * be kept, and any pass can make it again.
 */
export interface MaskKey {
  /** The pass: a whole number below 2⁵³. */
  readonly seed: number;
  /** Which use of a dropout in it, from 0. */
  readonly stream: number;
}

/** Where dropout masks come from: a pass's random numbers, or a recording. */
export interface MaskSource {
  /** For one use of `dropout`: a key, or a mask of `shape` whose elements are 0 or 1 / (1 − p). */
  draw(dropout: { readonly p: number }, shape: readonly number[]): MaskKey | Tensor;
}

/** What a forward pass is for. It is handed down explicitly: modules have no mode of their own. */
export interface ForwardContext {
  /** Dropout's masks while training; undefined leaves dropout out, as in evaluation. */
  readonly masks: MaskSource | undefined;
  /** The result will be differentiated twice, so only operators with a second derivative may be used. */
  readonly differentiateTwice: boolean;
  /** What the layers' gradients need is computed anew in the backward pass. */
  readonly gradientCheckpointing?: boolean;
  /** Nothing is trained here, so what depends on parameters alone may be kept from pass to pass. */
  readonly inference?: boolean;
}

/** The context of a pass that nothing is learnt from: no dropout. */
export const EVALUATION: ForwardContext = { masks: undefined, differentiateTwice: false, inference: true };
