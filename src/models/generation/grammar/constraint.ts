/** Which tokens may come next in a sequence. */
import { BidoraError } from "../../../base/index.js";

/** Follows one sequence, token by token. */
export interface Constraint {
  /** A bit for each token, 32 in each number, the lowest first: whether it may be next. */
  allowed(): Promise<Int32Array>;
  /** Takes the sequence's next token. */
  accept(token: number): void;
}

export const isAllowed = (allowed: Int32Array, token: number): boolean =>
  (((allowed[token >> 5] as number) >>> (token & 31)) & 1) === 1;

/** Sets the scores of the other tokens to −∞. */
export function keepAllowed(scores: Float32Array, allowed: Int32Array): void {
  for (let token = 0; token < scores.length; token++)
    if (!isAllowed(allowed, token)) scores[token] = Number.NEGATIVE_INFINITY;
}

/** @throws BidoraError `JSON_SCHEMA` for a token that was chosen since there was no other */
export function requireAllowed(allowed: Int32Array, token: number): void {
  if (isAllowed(allowed, token)) return;
  throw new BidoraError(
    "JSON_SCHEMA",
    "No token may come next: the generation settings exclude all that the JSON schema allows, or the vocabulary has none of them.",
  );
}
