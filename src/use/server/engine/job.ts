/** The continuation of one prompt, as the engine computes it. */
import type { Finish, GenerationSettings, Prompt, StopCheck } from "../../../models/generation/index.js";
import type { TokenLogprobs } from "./logprobs.js";

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
