import { atLeastOne } from "./checks.js";
import type { Metric } from "./metric.js";

/** How well a language model foretells some tokens. */
export interface Foretold {
  /** The sum of their cross-entropies in nats. */
  readonly loss: number;
  readonly tokens: number;
  /** How many of them the model holds for the likeliest. */
  readonly correct: number;
}

/** `perplexity`, the exponential of the mean cross-entropy over all tokens, and `tokenAccuracy`. Throws METRIC_ROWS for no token. */
export function foretelling(): Metric<unknown, Foretold> {
  let [loss, tokens, correct] = [0, 0, 0];
  return {
    add(_reference, foretold) {
      loss += foretold.loss;
      tokens += foretold.tokens;
      correct += foretold.correct;
    },
    result: () => ({ perplexity: Math.exp(loss / atLeastOne(tokens)), tokenAccuracy: correct / tokens }),
  };
}
