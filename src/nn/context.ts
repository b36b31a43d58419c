import type { DType, Tensor } from "../torch/index.js";
import type { Dropout } from "./dropout.js";

/** Where dropout masks come from: a run's generator, or a recording. */
export interface MaskSource {
  /** A mask of `shape` whose elements are 0 or 1 / (1 − p). */
  mask(dropout: Dropout, shape: readonly number[], dtype: DType): Tensor;
}

/** What a forward pass is for. It is handed down explicitly: modules have no mode of their own. */
export interface ForwardContext {
  /** Dropout's masks while training; undefined leaves dropout out, as in evaluation. */
  readonly masks: MaskSource | undefined;
  /** The result will be differentiated twice, so only operators with a second derivative may be used. */
  readonly differentiateTwice: boolean;
  /** Nothing is trained here, so what depends on parameters alone may be kept from pass to pass. */
  readonly inference?: boolean;
}

export const EVALUATION: ForwardContext = { masks: undefined, differentiateTwice: false, inference: true };
