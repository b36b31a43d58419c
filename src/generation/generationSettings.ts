/** The settings of a generation: their types, and how they are resolved from the user's and the model's own. */
import { BidoraError } from "../common/errors.js";
import type { GenerationConfig } from "./generationConfig.js";

/** How tokens are sampled. */
export interface SamplingSettings {
  /** Logits are divided by it: above 0. */
  readonly temperature: number;
  /** Sample from the `topK` most likely tokens; 0 for all. */
  readonly topK: number;
  /** Sample from the most likely tokens whose probabilities add up to `topP`; 1 for all. */
  readonly topP: number;
  /** Sample from tokens with at least this share of the most likely token's probability; undefined for all. */
  readonly minP: number | undefined;
}

/** Beam search. */
export interface BeamSettings {
  readonly count: number;
  /** A sequence's log-probability is divided by its length to this power. */
  readonly lengthPenalty: number;
  /** Whether to stop at `count` finished sequences; else when a better one is unlikely, or with "never" impossible. */
  readonly earlyStopping: boolean | "never";
}

/** How a model continues a prompt. */
export interface GenerationSettings {
  /** Generation ends at any of them. */
  readonly endTokens: readonly number[];
  /** The logits of tokens in the prompt or the continuation are divided by it; 1 for no penalty. */
  readonly repetitionPenalty: number;
  /** No n-gram of this size occurs twice, the prompt included; 0 for no limit. */
  readonly noRepeatNgram: number;
  /** Tokens that are never generated, and tokens that are never generated first. */
  readonly suppressTokens: readonly number[];
  readonly beginSuppressTokens: readonly number[];
  /** The least tokens before an end token: with the prompt, and without it. */
  readonly minLength: number;
  readonly minNewTokens: number;
  /** The token after a prompt of one token, and the last token where there is no more room. */
  readonly forcedBosToken: number | undefined;
  readonly forcedEosTokens: readonly number[] | undefined;
  /** Undefined: the most likely token is taken. */
  readonly sampling: SamplingSettings | undefined;
  /** Undefined: one sequence. */
  readonly beams: BeamSettings | undefined;
  /** Strings at which generation stops, and tokens that work like a stop string. */
  readonly stop: readonly string[];
  readonly stopTokens: readonly number[];
}

/** Takes the most likely token each time, until there is no more room. */
export const GREEDY: GenerationSettings = {
  endTokens: [],
  repetitionPenalty: 1,
  noRepeatNgram: 0,
  suppressTokens: [],
  beginSuppressTokens: [],
  minLength: 0,
  minNewTokens: 0,
  forcedBosToken: undefined,
  forcedEosTokens: undefined,
  sampling: undefined,
  beams: undefined,
  stop: [],
  stopTokens: [],
};

/** Settings of the user, which take precedence over those in the model's files. */
export interface GenerationOverrides {
  readonly maxNewTokens?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  readonly greedy?: boolean | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly noRepeatNgram?: number | undefined;
  readonly temperature?: number | undefined;
  readonly topK?: number | undefined;
  readonly topP?: number | undefined;
  readonly minP?: number | undefined;
  readonly beams?: number | undefined;
  readonly lengthPenalty?: number | undefined;
  readonly earlyStopping?: boolean | "never" | undefined;
}

/** Each of these settings turns sampling on. */
export const SAMPLING_KEYS = ["temperature", "topK", "topP", "minP"] as const satisfies (keyof GenerationOverrides)[];

/** The default in transformers. */
const TOP_K = 50;

/** The default for `maxNewTokens`. */
const NEW_TOKENS = 256;

/**
 * The settings of a generation, from the user's and those in the model's files.
 * @throws BidoraError `CONFIG` for a sampling method in the model's files that is not supported
 */
export function resolveGeneration(overrides: GenerationOverrides, own: GenerationConfig): GenerationSettings {
  const samples = SAMPLING_KEYS.some((key) => overrides[key] !== undefined);
  const beams = overrides.greedy ? 1 : (overrides.beams ?? own.num_beams ?? 1);
  return {
    endTokens: own.eos_token_id ?? [],
    repetitionPenalty: overrides.repetitionPenalty ?? own.repetition_penalty ?? 1,
    noRepeatNgram: overrides.noRepeatNgram ?? own.no_repeat_ngram_size ?? 0,
    suppressTokens: own.suppress_tokens ?? [],
    beginSuppressTokens: own.begin_suppress_tokens ?? [],
    minLength: own.min_length ?? 0,
    minNewTokens: own.min_new_tokens ?? 0,
    forcedBosToken: own.forced_bos_token_id,
    forcedEosTokens: own.forced_eos_token_id,
    sampling: samples ? samplingOf(overrides, own) : undefined,
    beams:
      beams === 1
        ? undefined
        : {
            count: beams,
            lengthPenalty: overrides.lengthPenalty ?? own.length_penalty ?? 1,
            earlyStopping: overrides.earlyStopping ?? own.early_stopping ?? false,
          },
    stop: overrides.stop ?? own.stop_strings ?? [],
    stopTokens: [],
  };
}

function samplingOf(overrides: GenerationOverrides, own: GenerationConfig): SamplingSettings {
  const [unsupported] = own.unsupportedSampling;
  if (unsupported !== undefined) {
    throw new BidoraError(
      "CONFIG",
      `The model's generation settings have ${unsupported}, which is not supported in sampling; remove it to generate without it.`,
    );
  }
  return {
    temperature: overrides.temperature ?? own.temperature ?? 1,
    topK: overrides.topK ?? own.top_k ?? TOP_K,
    topP: overrides.topP ?? own.top_p ?? 1,
    minP: overrides.minP ?? own.min_p,
  };
}

/** A prompt that leaves no room for new tokens. */
export class PromptTooLong extends BidoraError {
  constructor(
    /** The most tokens that the prompt may have. */
    readonly most: number,
    message: string,
  ) {
    super("PROMPT_TOO_LONG", message);
  }
}

/**
 * How many tokens may be generated after a prompt.
 * @param tokens of the prompt
 * @param positions of the model
 * @param name of the prompt in errors
 * @throws PromptTooLong
 */
export function roomAfter(
  tokens: number,
  { maxNewTokens }: Pick<GenerationOverrides, "maxNewTokens">,
  own: Pick<GenerationConfig, "max_new_tokens" | "max_length">,
  positions: number,
  name: string,
): number {
  const total = maxNewTokens === undefined && own.max_new_tokens === undefined ? own.max_length : undefined;
  const limit = Math.min(positions, total ?? positions);
  const wanted = maxNewTokens ?? own.max_new_tokens ?? (total === undefined ? NEW_TOKENS : limit - tokens);
  if (tokens + (maxNewTokens ?? 1) <= limit) return Math.min(wanted, limit - tokens);
  const whose = limit < positions ? `its max_length is ${limit}` : `the model has ${positions} positions`;
  const beside = maxNewTokens === undefined ? "a new one" : `${maxNewTokens} new ones (--max-new-tokens)`;
  const advice = limit < positions ? "give --max-new-tokens" : "shorten it, or ask for fewer new tokens";
  throw new PromptTooLong(
    limit - (maxNewTokens ?? 1),
    `${name} has ${tokens} tokens, which leaves no room for ${beside}: ${whose}; ${advice}.`,
  );
}
