import type { Embedding } from "./embedding.js";
import { Linear } from "./linear.js";

/**
 * The output matrix of a language model, from hidden states to the vocabulary. It comes with the checkpoint, and `all-linear` leaves
 * it out. Where it is tied to the embeddings it computes with their table, and has no weight of its own in the tree.
 */
export class OutputLinear extends Linear {
  constructor(
    inFeatures: number,
    outFeatures: number,
    /** The embeddings that it is tied to. */
    readonly tied?: Embedding,
  ) {
    super(inFeatures, outFeatures, { bias: false, ...(tied && { weight: tied.weight }) });
  }
}
