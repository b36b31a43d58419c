import * as z from "zod";
import { BidoraError, wholeRecord } from "../../../base/index.js";
import type { JsonObject } from "../../../base/records/index.js";
import type { Pattern } from "../adapterConfig.js";
import {
  type LowRankConfig,
  matchingKeys,
  patternByPath,
  rankAndScale,
  rankOf,
  SAVED_STARTS,
  type SavedStart,
} from "../lowRankConfig.js";
import { B_BIAS, LOW_RANK_NAMES, MAGNITUDE } from "../lowRankLayers.js";
import { isOn, peftKeys, refusedLayers, TARGET_KEY_DEFAULTS } from "./targetKeys.js";

const pattern = (value: z.ZodNumber) =>
  wholeRecord(z.record(z.string(), value).nullable()).transform((record) => record ?? {});

/** The check of `rank_pattern`. */
export const RANK_PATTERN = pattern(z.int().min(1));
/** Our name of a start in a file. Those without one have A and B for the base as it is. */
function startNamed(start: unknown): SavedStart {
  return SAVED_STARTS.find((name) => name === start) ?? "default";
}

const KEYS = peftKeys("lora_only", {
  rank: ["r", 8, z.int().min(1)],
  alpha: ["lora_alpha", 8, z.number()],
  dropout: ["lora_dropout", 0, z.number().min(0).lt(1)],
  rslora: ["use_rslora", false, z.boolean()],
  isDora: ["use_dora", false, z.boolean()],
  loraBias: ["lora_bias", false, z.boolean()],
  rankPattern: ["rank_pattern", {}, RANK_PATTERN],
  alphaPattern: ["alpha_pattern", {}, pattern(z.number())],
  initLoraWeights: ["init_lora_weights", true, z.unknown().transform(startNamed)],
});

/** The keys of a LoRA's adapter_config.json that other types lack, with their defaults. */
export const LORA_DEFAULTS: JsonObject = {
  ...TARGET_KEY_DEFAULTS,
  ...KEYS.defaults,
  alora_invocation_tokens: null,
  arrow_config: null,
  corda_config: null,
  ensure_weight_tying: false,
  eva_config: null,
  fan_in_fan_out: false,
  kasa_config: null,
  layer_replication: null,
  loftq_config: {},
  lora_ga_config: null,
  megatron_config: null,
  megatron_core: "megatron.core",
  monteclora_config: null,
  qalora_group_size: 16,
  target_parameters: null,
  trainable_token_indices: null,
  use_bdlora: null,
  use_qalora: false,
  velora_config: null,
};

export const LORA_SUFFIXES: readonly string[] = [
  ...Object.values(LOW_RANK_NAMES).flatMap(({ a, b }) => [a, b]),
  B_BIAS,
];

/** @throws BidoraError `ADAPTER_CONFIG` for what is malformed or not supported */
export function parseLoraKeys(file: string, json: JsonObject): Omit<LowRankConfig, "method"> {
  refuseUnsupported(file, json);
  const { isDora: _, ...settings } = KEYS.parse(file, json);
  return settings;
}

export function renderLoraKeys(config: LowRankConfig, paths: readonly string[], isDora: boolean): JsonObject {
  const alphaPattern = unambiguous(config.alphaPattern, paths, (path) => rankAndScale(config, path).alpha);
  const { initLoraWeights: start } = config;
  const keys = KEYS.render({ ...config, isDora, rankPattern: clearRanks(config, paths), alphaPattern });
  return { ...keys, init_lora_weights: start === "default" ? true : start };
}

/** The ranks by module, as PEFT finds them. */
export const clearRanks = (config: Pick<LowRankConfig, "rank" | "rankPattern">, paths: readonly string[]): Pattern =>
  unambiguous(config.rankPattern, paths, (path) => rankOf(config, path));

/**
 * The pattern itself, or one key per module if two keys match the same module. PEFT sorts keys when it saves and uses the first
 * match, so it would change the order of overlapping keys.
 */
function unambiguous(pattern: Pattern, paths: readonly string[], resolve: (path: string) => number): Pattern {
  if (paths.every((path) => matchingKeys(pattern, path).length <= 1)) return pattern;
  const matched = paths.filter((path) => matchingKeys(pattern, path).length > 0);
  return patternByPath(new Map(matched.map((path) => [path, resolve(path)])));
}

/** Removes the `.weight` that older versions of PEFT append to the name of a magnitude. */
export function currentLoraName(name: string): string {
  return name.endsWith(`.${MAGNITUDE}.weight`) ? name.slice(0, -".weight".length) : name;
}

/** The initialization that quantizes the base. PEFT repeats it on loading, which changes nothing in a base that is quantized already. */
export const LOFTQ = "loftq";

/** Initializations of A and B that leave the base as it is, whose part of the base is found again, or whose changed base can be given as the model. */
const SUPPORTED_STARTS: readonly unknown[] = [true, false, null, ...SAVED_STARTS.slice(1), "mica", LOFTQ];

/** Unsupported variants of LoRA, which do not compute W0 + s·B·A, by the key that enables them. */
const VARIANTS: Readonly<Record<string, string>> = {
  alora_invocation_tokens: "an activated LoRA acts only after its invocation tokens",
  arrow_config: "Arrow routes each token through several adapters",
  ensure_weight_tying: "the adapters of tied layers share their tensors",
  kasa_config: "KaSA replaces the base weights by truncated ones",
  layer_replication: "the base's layers are repeated",
  megatron_config: "the base is split by Megatron",
  monteclora_config: "MonteCLoRA samples its weights",
  target_parameters: "it adapts bare parameters, not layers",
  trainable_token_indices: "it retrains single rows of an embedding",
  use_bdlora: "BD-LoRA stores block-diagonal matrices",
  use_qalora: "QALoRA sums its input in groups",
  velora_config: "VeLoRA compresses the layers' inputs",
};

/**
 * Refuses unsupported settings, each with its reason.
 * @param config the file's keys, with defaults for absent ones
 * @throws BidoraError `ADAPTER_CONFIG`
 */
export function refuseUnsupported(file: string, config: JsonObject): void {
  const why = refusalOf(config);
  if (why !== undefined) throw new BidoraError("ADAPTER_CONFIG", `${file}: ${why}.`);
}

function refusalOf(config: JsonObject): string | undefined {
  const { init_lora_weights: start, use_dora: dora, lora_bias: bBias } = config;
  if (!SUPPORTED_STARTS.includes(start ?? null)) return changedBase(start);
  for (const [key, reason] of Object.entries(VARIANTS)) {
    if (isOn(config[key])) return unsupported(key, reason);
  }
  if (dora === true && bBias === true)
    return "use_dora and lora_bias are mutually exclusive, in PEFT too: one of them must be false";
  return refusedLayers(config);
}

/** PEFT's PiSSA by a randomized SVD, whose part of the base depends on random numbers that no file has. */
const RANDOMIZED = /^pissa_niter_\d+$/;

function changedBase(start: unknown): string {
  const why =
    typeof start === "string" && RANDOMIZED.test(start)
      ? "which takes a part out of the base by random numbers that no file has"
      : "which changes the base weights before training by what no file has";
  return (
    `init_lora_weights is ${JSON.stringify(start)}, ${why}, so that the adapter does not fit ` +
    "the plain base: save it in PEFT with path_initial_model_for_weight_conversion, or merge it there"
  );
}

function unsupported(key: string, reason: string): string {
  return `${key} is set (${reason}), which is not supported: merge the adapter in PEFT with merge_and_unload() and use the merged model`;
}
