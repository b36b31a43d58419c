import type { EmbeddingModelV3, EmbeddingModelV3CallOptions, EmbeddingModelV3Result } from "@ai-sdk/provider";
import type { Model } from "bidora";
import { asSdkError } from "./errors.js";

/** A model for text embeddings that bidora runs: with the pooling, the prompt and the normalization that its folder names. */
export class BidoraEmbeddingModel implements EmbeddingModelV3 {
  readonly specificationVersion = "v3";
  readonly provider = "bidora.embedding";
  readonly maxEmbeddingsPerCall = Number.POSITIVE_INFINITY;
  readonly supportsParallelCalls = false;

  /** @param open opens the model for the task `embedding`, or returns it if it is open */
  constructor(
    readonly modelId: string,
    private readonly open: () => Promise<Model>,
  ) {}

  async doEmbed({ values, abortSignal }: EmbeddingModelV3CallOptions): Promise<EmbeddingModelV3Result> {
    const model = await this.open();
    abortSignal?.throwIfAborted();
    try {
      const rows = await model.predict(
        values.map((text) => ({ text })),
        {},
        { signal: abortSignal },
      );
      return { embeddings: rows.map(({ embedding = [] }) => [...embedding]), warnings: [] };
    } catch (error) {
      throw asSdkError(error, values);
    }
  }
}
