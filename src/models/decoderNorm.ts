import { type Norm, OffsetRmsNorm, RmsNorm } from "../nn/index.js";
import type { DecoderConfig } from "./decoderConfig.js";

/** A decoder's norm over vectors of `size` numbers. */
export function decoderNorm({ normsFromOne, normEpsilon }: DecoderConfig, size: number): Norm {
  return normsFromOne ? new OffsetRmsNorm(size, normEpsilon) : new RmsNorm(size, normEpsilon);
}
