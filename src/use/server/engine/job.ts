/** The continuation of one prompt, as the engine computes it. */
import {
  type Finish,
  type GenerationSettings,
  type Prompt,
  type StopCheck,
  topK,
} from "../../../models/generation/index.js";

/**
 * The log-probability of a token, and of the most likely tokens in its place, the most likely first: of the model's own distribution, before
 * penalties, temperature and other settings.
 */
export interface TokenLogprobs {
  readonly token: number;
  readonly logprob: number;
  readonly top: readonly (readonly [token: number, logprob: number])[];
}

/** What a job has computed in a step. */
export interface JobStep {
  /** The new tokens. */
  readonly tokens: readonly number[];
  /** Undefined while the job continues. */
  readonly finish: Finish | undefined;
  /** One for each new token, if the job asks for them. */
  readonly logprobs: readonly TokenLogprobs[];
  /** One for each further token of the prompt, from its second one on, if the job asks for them. */
  readonly promptLogprobs: readonly TokenLogprobs[];
}

/** Which log-probabilities a job computes. */
export interface WantedLogprobs {
  /** How many of the most likely tokens at each place. */
  readonly top: number;
  /** Of the prompt's tokens too. */
  readonly ofPrompt: boolean;
}

export interface Job {
  /** The adapter's name; undefined for the base model. */
  readonly adapter: string | undefined;
  /** With no new tokens, only the prompt is computed. */
  readonly prompt: Prompt;
  readonly settings: GenerationSettings;
  readonly isStopped: StopCheck | undefined;
  readonly logprobs: WantedLogprobs | undefined;
  /** The job leaves the batch when it is aborted. */
  readonly signal: AbortSignal;
  /** Called after each step, without waiting. */
  onStep(step: JobStep): void;
  /** Called instead of a last step. */
  onError(error: unknown): void;
}

/** The sequences that a job has in a batch. */
export const sequencesOf = ({ settings }: Job): number => settings.beams?.count ?? 1;

/** The most tokens that its sequences will have. */
export const tokensAtMost = (job: Job): number => sequencesOf(job) * (job.prompt.ids.length + job.prompt.maxNewTokens);

/** @param logits [vocabulary] @param top how many of the most likely tokens */
export function logprobsOf(logits: Float32Array, token: number, top: number): TokenLogprobs {
  const norm = logSumExp(logits);
  const logprob = (id: number): number => logits[id]! - norm;
  return { token, logprob: logprob(token), top: Array.from(topK(logits, top), (id) => [id, logprob(id)] as const) };
}

function logSumExp(logits: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > most) most = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return most + Math.log(sum);
}
