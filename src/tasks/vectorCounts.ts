import { BidoraError } from "../common/errors.js";
import type { Tokenizer } from "../text/index.js";
import type { EncodedRow } from "./task.js";

/** How many tokens, and kinds of tokens, a model has vectors for. */
export interface VectorCounts {
  readonly vocabSize: number;
  readonly typeVocabSize: number;
}

/** @throws BidoraError `VOCABULARY` for a token, or a kind of token, that the model has no vector for */
export function checkIds(
  { inputIds, tokenTypeIds = [] }: Pick<EncodedRow, "inputIds"> & Partial<EncodedRow>,
  name: string,
  tokenizer: Pick<Tokenizer, "size">,
  { vocabSize, typeVocabSize }: VectorCounts,
): void {
  const id = inputIds.find((id) => id >= vocabSize);
  if (id !== undefined) {
    throw new BidoraError(
      "VOCABULARY",
      `${name}: the tokenizer gives the token id ${id}, but the model has ${vocabSize} tokens and the tokenizer ` +
        `${tokenizer.size}: they are not for each other.`,
    );
  }
  const type = typeVocabSize > 1 ? tokenTypeIds.find((type) => type >= typeVocabSize) : undefined;
  if (type !== undefined) {
    throw new BidoraError(
      "VOCABULARY",
      `${name}: the tokenizer gives the token type ${type}, but the model has ${typeVocabSize} token types: they are not for each other.`,
    );
  }
}
