/**
 * Speculative decoding: tokens that are cheap to propose are checked by the model in one pass, which computes several tokens in little more
 * time than one. The model chooses each token as it would without, from the same random number, and goes on along the proposal as long as
 * it chooses the same tokens: so proposals change no token (arXiv 2211.17192, section 2.3, accepts differently, for the same distribution).
 */

/** A sequence that tokens are proposed for. */
export interface DraftedSequence {
  readonly ids: readonly number[];
  /** The most tokens to propose. */
  readonly most: number;
}

/** Proposes the next tokens of the sequences of a batch. */
export interface Drafter {
  /** @returns for each sequence at most as many tokens as it may have */
  propose(sequences: readonly DraftedSequence[]): readonly (readonly number[])[];
  /** As the batch's: see `SequenceBatch`. */
  add(tokens: readonly number[]): void;
  select(sequences: readonly number[]): void;
  dispose(): void;
}

/** How tokens are proposed. */
export interface Draft {
  /** The most tokens to propose at once. */
  readonly tokens: number;
  /** The bytes that a token of a sequence takes. */
  readonly bytesPerToken: number;
  /** Starts to propose tokens for a batch with so many sequences. */
  start(sequences: number): Drafter;
}

/** The default for the most tokens to propose at once. */
export const DRAFT_TOKENS = 10;
