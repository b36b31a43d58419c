import { atLeastOne } from "./checks.js";
import { LESS_IS_BETTER, type Metric, MORE_IS_BETTER, type Sums } from "./metric.js";
import { overSums } from "./sums.js";

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
  return overSums(
    { perplexity: LESS_IS_BETTER, tokenAccuracy: MORE_IS_BETTER },
    (_reference, foretold) => foretold,
    () => foretoldSums((loss, accuracy) => ({ perplexity: Math.exp(loss), tokenAccuracy: accuracy })),
  );
}

/** What follows from means over all tokens: of the loss, and of the share that the model holds for the likeliest. */
export const foretoldSums = (
  resultOf: (loss: number, accuracy: number) => Readonly<Record<string, number>>,
): Sums<Foretold> => ({
  width: 3,
  add({ loss, correct, tokens }, sums) {
    sums[0]! += loss;
    sums[1]! += correct;
    sums[2]! += tokens;
  },
  result([loss, correct, tokens]) {
    const count = atLeastOne(tokens!);
    return resultOf(loss! / count, correct! / count);
  },
});
