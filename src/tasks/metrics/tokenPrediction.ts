/** How well a language model predicts tokens: perplexity and token accuracy. */
import { atLeastOne, HIGHER_IS_BETTER, LOWER_IS_BETTER, type Metric, type Sums } from "./metric.js";
import { overSums } from "./sums.js";

/** Sums over a language model's predictions of some tokens. */
export interface PredictedTokens {
  /** The sum of the tokens' cross-entropies in nats. */
  readonly loss: number;
  readonly tokens: number;
  /** How many tokens the model ranks first. */
  readonly correct: number;
}

/** `perplexity`, the exponential of the mean cross-entropy over all tokens, and `tokenAccuracy`. Throws METRIC_ROWS for no token. */
export function tokenPrediction(): Metric<unknown, PredictedTokens, PredictedTokens> {
  return overSums(
    { perplexity: LOWER_IS_BETTER, tokenAccuracy: HIGHER_IS_BETTER },
    (_reference, predicted) => predicted,
    () => tokenSums((loss, accuracy) => ({ perplexity: Math.exp(loss), tokenAccuracy: accuracy })),
  );
}

/** The sums behind values that are functions of the mean loss and the accuracy over all tokens. */
export const tokenSums = (
  resultOf: (loss: number, accuracy: number) => Readonly<Record<string, number>>,
): Sums<PredictedTokens> => ({
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
