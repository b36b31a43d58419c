/** How well a language model predicts tokens: perplexity and token accuracy. */
import { HIGHER_IS_BETTER, LOWER_IS_BETTER, type Metric } from "./parts/metric.js";
import { overSums, type PredictedTokens, tokenSums } from "./parts/sums.js";

/** `perplexity`, the exponential of the mean cross-entropy over all tokens, and `tokenAccuracy`. Throws METRIC_ROWS for no token. */
export function tokenPrediction(): Metric<unknown, PredictedTokens, PredictedTokens> {
  return overSums(
    { perplexity: LOWER_IS_BETTER, tokenAccuracy: HIGHER_IS_BETTER },
    (_reference, predicted) => predicted,
    () => tokenSums((loss, accuracy) => ({ perplexity: Math.exp(loss), tokenAccuracy: accuracy })),
  );
}
