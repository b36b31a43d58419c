import { atLeastOne, sum } from "./checks.js";
import { LESS_IS_BETTER, type Metric, MORE_IS_BETTER } from "./metric.js";

/** How well a language model foretells some tokens. */
export interface Foretold {
  /** The sum of their cross-entropies in nats. */
  readonly loss: number;
  readonly tokens: number;
  /** How many of them the model holds for the likeliest. */
  readonly correct: number;
}

/** `perplexity`, the exponential of the mean cross-entropy over all tokens, and `tokenAccuracy`. Throws METRIC_ROWS for no token. */
export function foretelling(): Metric<unknown, Foretold, Foretold> {
  const total = (rows: readonly Foretold[], key: keyof Foretold) => sum(rows.map((row) => row[key]));
  return {
    values: { perplexity: LESS_IS_BETTER, tokenAccuracy: MORE_IS_BETTER },
    measure: (_reference, foretold) => foretold,
    result(rows) {
      const tokens = atLeastOne(total(rows, "tokens"));
      return { perplexity: Math.exp(total(rows, "loss") / tokens), tokenAccuracy: total(rows, "correct") / tokens };
    },
  };
}
