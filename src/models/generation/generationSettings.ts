// Generation settings: their types, their resolution from the user's and the model's settings, and how the model's files are read.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { BidoraError, GENERATION_CONFIG } from "../../base/index.js";
import { type JsonObject, type JsonValue, readJsonObject } from "../../base/records/index.js";

/** How tokens are sampled. */
export interface SamplingSettings {
  /** The positive divisor of the logits. */
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

/** How a model generates text. */
export interface GenerationSettings {
  /** Tokens that end generation. */
  readonly endTokens: readonly number[];
  /** The divisor of the logits of tokens in the prompt or the generated text; 1 for no penalty. */
  readonly repetitionPenalty: number;
  /** No n-gram of this size may occur twice, including the prompt; 0 for no limit. */
  readonly noRepeatNgram: number;
  /** Tokens that are never generated, and tokens that are not generated first. */
  readonly suppressTokens: readonly number[];
  readonly beginSuppressTokens: readonly number[];
  /** The minimum number of tokens before an end token, including the prompt and without it. */
  readonly minLength: number;
  readonly minNewTokens: number;
  /** The token forced after a prompt of one token, and the token forced at the maximum length. */
  readonly forcedBosToken: number | undefined;
  readonly forcedEosTokens: readonly number[] | undefined;
  /** Undefined for greedy decoding. */
  readonly sampling: SamplingSettings | undefined;
  /** Undefined without beam search. */
  readonly beams: BeamSettings | undefined;
  /** Strings at which generation stops, and tokens that work like a stop string. */
  readonly stop: readonly string[];
  readonly stopTokens: readonly number[];
}

/** Greedy decoding up to the maximum length. */
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

/** The user's settings, which take precedence over those in the model's files. */
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

/** transformers' default. */
const TOP_K = 50;

/** The default for `maxNewTokens`. */
const NEW_TOKENS = 256;

/**
 * Resolves the user's settings and those in the model's files.
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

/** Thrown for a prompt that leaves no room for new tokens. */
export class PromptTooLong extends BidoraError {
  constructor(
    /** The maximum number of tokens of the prompt. */
    readonly most: number,
    message: string,
  ) {
    super("PROMPT_TOO_LONG", message);
  }
}

/**
 * The maximum number of new tokens after a prompt.
 * @param tokens of the prompt
 * @param positions of the model
 * @param name of the prompt in errors
 * @throws PromptTooLong
 */
export function maxNewTokensAfter(
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

// The model's files

const id = z.int();
const ids = z.union([id.transform((one) => [one]), z.array(id)]);
const texts = z.union([z.string().transform((one) => [one]), z.array(z.string())]);

/** The keys that affect generation, with the types that transformers accepts. */
const SCHEMA = z.object({
  eos_token_id: ids.nullish(),
  max_new_tokens: z.int().min(1).nullish(),
  max_length: z.int().min(1).nullish(),
  min_length: z.int().min(0).nullish(),
  min_new_tokens: z.int().min(0).nullish(),
  repetition_penalty: z.number().gt(0).nullish(),
  no_repeat_ngram_size: z.int().min(0).nullish(),
  suppress_tokens: z.array(id).nullish(),
  begin_suppress_tokens: z.array(id).nullish(),
  forced_bos_token_id: id.nullish(),
  forced_eos_token_id: ids.nullish(),
  stop_strings: texts.nullish(),
  num_beams: z.int().min(1).nullish(),
  length_penalty: z.number().nullish(),
  early_stopping: z.union([z.boolean(), z.literal("never")]).nullish(),
  temperature: z.number().gt(0).nullish(),
  top_k: z.int().min(0).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
});

type Read = z.infer<typeof SCHEMA>;

/** The generation settings in a model's files; undefined where they are not set. */
export type GenerationConfig = { readonly [K in keyof Read]?: NonNullable<Read[K]> | undefined } & {
  /** Unsupported keys that only affect sampling. */
  readonly unsupportedSampling: readonly string[];
};

/** Unsupported keys, with the values that have no effect. */
const UNSUPPORTED: Readonly<Record<string, readonly JsonValue[]>> = {
  bad_words_ids: [],
  constraints: [],
  diversity_penalty: [0],
  dola_layers: [],
  encoder_no_repeat_ngram_size: [0],
  encoder_repetition_penalty: [1],
  exponential_decay_length_penalty: [],
  force_words_ids: [],
  guidance_scale: [1],
  max_time: [],
  num_beam_groups: [1],
  penalty_alpha: [0],
  renormalize_logits: [false],
  sequence_bias: [],
  token_healing: [false],
  watermarking_config: [],
};
const UNSUPPORTED_SAMPLING: typeof UNSUPPORTED = { epsilon_cutoff: [0], eta_cutoff: [0], top_h: [], typical_p: [1] };

/** transformers' default `max_length`, which it ignores. */
const NO_MAX_LENGTH = 20;

/**
 * Reads `generation_config.json`, or in a folder without one the same keys of `config.json`. `eos_token_id` may be in either file.
 * @throws BidoraError `CONFIG` for an unsupported key that would change the result, or a value of the wrong type
 */
export function readGenerationConfig(folder: string, config: JsonObject): GenerationConfig {
  const path = join(folder, GENERATION_CONFIG);
  const [name, json] = existsSync(path) ? [GENERATION_CONFIG, readJsonObject(path)] : ["config.json", config];
  const [unsupported] = keysSet(json, UNSUPPORTED);
  if (unsupported !== undefined) throw unsupportedKey(name, unsupported, json);
  const { eos_token_id, max_length, ...read } = parse(name, json);
  return {
    ...withoutNull(read),
    eos_token_id: eos_token_id ?? parse("config.json", config).eos_token_id ?? undefined,
    max_length: max_length === NO_MAX_LENGTH ? undefined : (max_length ?? undefined),
    unsupportedSampling: keysSet(json, UNSUPPORTED_SAMPLING),
  };
}

function parse(name: string, json: JsonObject): Read {
  const result = SCHEMA.safeParse(json);
  if (result.success) return result.data;
  const key = String(result.error.issues[0]?.path[0]);
  throw new BidoraError(
    "CONFIG",
    `The model's ${name}: ${key} can't be ${JSON.stringify(json[key])}; correct the value or remove the key.`,
  );
}

function keysSet(json: JsonObject, keys: typeof UNSUPPORTED): string[] {
  return Object.keys(keys).filter((key) => {
    const value = json[key] ?? null;
    return value !== null && !keys[key]?.includes(value);
  });
}

/** @param name of the file */
function unsupportedKey(name: string, key: string, json: JsonObject): BidoraError {
  return new BidoraError(
    "CONFIG",
    `The model's ${name}: ${key} ${JSON.stringify(json[key])} is not supported in generation; remove it to generate without it.`,
  );
}

function withoutNull(read: Omit<Read, "eos_token_id" | "max_length">): Omit<GenerationConfig, "unsupportedSampling"> {
  return Object.fromEntries(Object.entries(read).map(([key, value]) => [key, value ?? undefined]));
}
