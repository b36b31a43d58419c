// Examples as token ids: each document of one encoded with the query as a pair, and the pairs laid end to end.
import type { Tokenizer } from "../../text/index.js";
import type { EncodedExample, EncodeOptions } from "../batch.js";
import type { Relevances, RerankingExample } from "../data/rerankingExamples.js";

/** A query with its documents. */
export interface EncodedRerankingExample extends EncodedExample<Relevances, RerankingExample["input"]> {
  /** The number of tokens of each pair. */
  readonly lengths: readonly number[];
}

/** Encodes the query with each document, the longer of the two truncated first. */
export async function encodeRerankingExamples(
  examples: readonly RerankingExample[],
  tokenizer: Tokenizer,
  { maxLength }: EncodeOptions,
): Promise<EncodedRerankingExample[]> {
  const pairs = examples.flatMap(({ input: [query, ...documents] }) =>
    documents.map((document) => [query, document] as const),
  );
  const encoded = await tokenizer.encodeBatch(pairs, { maxLength });
  let next = 0;
  return examples.map(({ input, label, at }) => {
    const own = encoded.slice(next, next + input.length - 1);
    next += own.length;
    return {
      inputIds: own.flatMap(({ inputIds }) => inputIds),
      tokenTypeIds: own.flatMap(({ tokenTypeIds }) => tokenTypeIds),
      lengths: own.map(({ inputIds }) => inputIds.length),
      source: input,
      target: label,
      at,
    };
  });
}
