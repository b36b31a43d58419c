/** Log-probabilities of tokens, of the model's own distribution: before penalties, temperature and other settings. */
import { topK } from "../../../models/generation/index.js";

/** The log-probability of a token, and of the most likely tokens in its place, the most likely first. */
export interface TokenLogprobs {
  readonly token: number;
  readonly logprob: number;
  readonly top: readonly (readonly [token: number, logprob: number])[];
}

/** @param logits [vocabulary] @param top how many of the most likely tokens */
export function logprobsOf(logits: Float32Array, token: number, top: number): TokenLogprobs {
  const norm = logSumExp(logits);
  const logprob = (id: number): number => (logits[id] as number) - norm;
  return { token, logprob: logprob(token), top: Array.from(topK(logits, top), (id) => [id, logprob(id)] as const) };
}

function logSumExp(logits: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > most) most = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return most + Math.log(sum);
}
