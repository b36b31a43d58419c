import type { Pooling } from "../../formats/index.js";

/** The losses of embeddings, by their names in sentence-transformers. */
export const embeddingLossNames = [
  "multiple-negatives-ranking",
  "multiple-negatives-symmetric-ranking",
  "cosent",
  "cosine",
  "triplet",
] as const;
/** The name of a loss of embeddings: `multiple-negatives-ranking`, `cosent`, … */
export type EmbeddingLossName = (typeof embeddingLossNames)[number];

/** The settings of a run that learns embeddings. */
export interface EmbeddingSettings {
  /** By default multiple-negatives-ranking, or cosent for rows with scores. */
  readonly loss?: EmbeddingLossName | undefined;
  /** Cosines are divided by it in losses that compare them; 0.05 by default. */
  readonly temperature?: number | undefined;
  /** By default the model folder's own. */
  readonly pooling?: Pooling | undefined;
  /** The loss is the sum of the losses of embeddings cut to each of these widths. */
  readonly matryoshka?: readonly number[] | undefined;
  /** The rows whose intermediate results are in memory at a time (GradCache); by default all of a batch. */
  readonly miniBatchSize?: number | undefined;
  readonly batchSize?: number | undefined;
}
