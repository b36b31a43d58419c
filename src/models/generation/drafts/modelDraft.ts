// Drafts by a smaller model with the same tokenizer.

import { argmax } from "../../../base/index.js";
import type { TaskModel } from "../../index.js";
import { SequenceBatch } from "../sequenceBatch.js";
import { DRAFT_TOKENS, type Draft, type DraftedSequence, type Drafter } from "./draft.js";

/** The least probability of a proposed token, as transformers' `assistant_confidence_threshold`. */
const LEAST_PROBABILITY = 0.4;

/**
 * Drafts of the most likely tokens by a model, as transformers' `assistant_model`.
 * @param model a causal language model with the vocabulary of the one that it drafts for
 * @param vocabSize the number of logits of the latter, if it has fewer than the draft model
 */
export function modelDraft(model: TaskModel, vocabSize: number, tokens = DRAFT_TOKENS): Draft {
  const batch = new SequenceBatch(model, 1);
  batch.logitsAfter([{ ids: [0], wanted: 1 }]);
  const { bytesPerToken } = batch;
  batch.dispose();
  return { tokens, bytesPerToken, start: (sequences) => new ModelDrafter(model, vocabSize, sequences) };
}

class ModelDrafter implements Drafter {
  readonly #batch: SequenceBatch;

  constructor(
    private readonly model: TaskModel,
    private readonly vocabSize: number,
    sequences: number,
  ) {
    this.#batch = new SequenceBatch(model, sequences);
  }

  propose(sequences: readonly DraftedSequence[]): readonly (readonly number[])[] {
    const drafts = sequences.map(({ ids, most }) => new GrowingDraft(this.#readable(ids), this.#mostAfter(ids, most)));
    while (drafts.some(({ isDone }) => !isDone)) {
      const logits = this.#batch.logitsAfter(
        drafts.map(({ ids, isDone }) => ({ ids: ids.length > 0 ? ids : [0], wanted: isDone ? 0 : 1 })),
      );
      for (const [i, draft] of drafts.entries()) {
        const [own] = logits[i]!;
        if (own) draft.take(own.subarray(0, this.vocabSize));
      }
    }
    return drafts.map(({ tokens }) => tokens);
  }

  add(tokens: readonly number[]): void {
    this.#batch.add(tokens);
  }

  select(sequences: readonly number[]): void {
    this.#batch.select(sequences);
  }

  dispose(): void {
    this.#batch.dispose();
  }

  /** The tokens up to the first that the model has no embedding or no position for. */
  #readable(ids: readonly number[]): readonly number[] {
    const { vocabSize, maxTokens } = this.model.config;
    const end = ids.findIndex((id, at) => id >= vocabSize || at >= maxTokens);
    return end < 0 ? ids : ids.slice(0, end);
  }

  #mostAfter(ids: readonly number[], most: number): number {
    if (this.#readable(ids).length < ids.length) return 0;
    return Math.min(most, this.model.config.maxTokens - ids.length + 1);
  }
}

/** A sequence with the tokens that are proposed after it. */
class GrowingDraft {
  ids: readonly number[];
  readonly tokens: number[] = [];
  isDone: boolean;

  constructor(
    ids: readonly number[],
    private readonly most: number,
  ) {
    this.ids = ids;
    this.isDone = most === 0;
  }

  /** Proposes the most likely token, if it is likely enough. */
  take(logits: Float32Array): void {
    const token = argmax(logits);
    if (probabilityOf(logits, token) >= LEAST_PROBABILITY) {
      this.tokens.push(token);
      this.ids = [...this.ids, token];
      this.isDone = this.tokens.length === this.most;
    } else {
      this.isDone = true; // also if the logits are not finite
    }
  }
}

/** @param token the most likely one */
function probabilityOf(logits: Float32Array, token: number): number {
  const most = logits[token]!;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return 1 / sum;
}
