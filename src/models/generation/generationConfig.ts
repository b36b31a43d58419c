/** The generation settings in a model's files. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { BidoraError, GENERATION_CONFIG } from "../../base/index.js";
import { type JsonObject, type JsonValue, readJsonObject } from "../../base/records/index.js";

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
