import {
  type EmbeddingModelV3,
  type EmbeddingModelV3CallOptions,
  type EmbeddingModelV3Result,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider";
import type { Model } from "bidora";
import { asSdkError } from "./errors.js";

/** A model for text embeddings that bidora runs. */
export class BidoraEmbeddingModel implements EmbeddingModelV3 {
  readonly specificationVersion = "v3";
  readonly provider = "bidora.embedding";
  readonly maxEmbeddingsPerCall = Number.POSITIVE_INFINITY;
  readonly supportsParallelCalls = false;

  /** @param open opens the model, or returns it if it is open */
  constructor(
    readonly modelId: string,
    private readonly open: () => Promise<Model>,
  ) {}

  async doEmbed({ values, abortSignal }: EmbeddingModelV3CallOptions): Promise<EmbeddingModelV3Result> {
    const model = await this.open();
    abortSignal?.throwIfAborted();
    if (model.task !== "embedding") throw noEmbeddings(model);
    try {
      const rows = await model.predict(
        values.map((text) => ({ text })),
        {},
        { signal: abortSignal },
      );
      return { embeddings: rows.map(vectorOf), warnings: [] };
    } catch (error) {
      throw asSdkError(error, values);
    }
  }
}

const vectorOf = (row: object): number[] => [...(row as { embedding: readonly number[] }).embedding];

const noEmbeddings = ({ task }: Model) =>
  new UnsupportedFunctionalityError({
    functionality: "text embeddings",
    message: `The model is for ${task}; embeddings need one that was trained with --task embedding.`,
  });
