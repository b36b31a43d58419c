/** The metadata of a GGUF file: architecture, RoPE scaling, tokenizer. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError } from "../../common/errors.js";
import { type JsonObject, readJsonObject } from "../../files/json.js";
import { GENERATION_CONFIG } from "../../files/names.js";
import { readConfig } from "../../io/checkpoint.js";
import { architectureFor, type NamedArchitecture, writableModelTypes } from "../../io/gguf/architectures.js";
import { count, type GgufPair, number, text } from "../../io/gguf/metadata.js";
import { llama3Factors } from "../../io/gguf/rope.js";
import type { TokenizerParts } from "../../io/gguf/tokenizerMetadata.js";
import { architectureOf, type DecoderConfig, type Rope } from "../../models/index.js";
import type { ResolvedHead } from "../../tasks/index.js";
import type { Tokenizer } from "../../text/index.js";

/** A model folder's configuration, for bidora and for llama.cpp. */
interface Decoder {
  readonly architecture: NamedArchitecture;
  readonly json: JsonObject;
  readonly config: DecoderConfig;
  readonly metadata: ModelMetadata;
}

/** @throws BidoraError `CONFIG`, and `EXPORT` for a model that llama.cpp does not support or computes differently */
export function decoderOf(folder: string): Decoder {
  const json = readConfig(folder);
  const { model_type: type } = json;
  const known = architectureOf(json);
  const architecture = architectureFor(type);
  if (!architecture) {
    throw exportError(`its model_type is ${String(type)}; supported are ${writableModelTypes().join(", ")}.`);
  }
  // all architectures that can be exported are decoders
  const config = known.parseConfig(json) as DecoderConfig;
  return { architecture, json, config, metadata: modelMetadata(architecture, config) };
}

/** @throws BidoraError `EXPORT` for a model that is not a language model */
export function requireLanguageModel({ kind, task }: ResolvedHead): void {
  if (task.head.className === "ForCausalLM") return;
  throw exportError(`it is for ${kind}, but llama.cpp runs only causal language models (--task causal-lm).`);
}

/** Gemma 3's constants, which files need not contain: five of six layers have a sliding window, with this RoPE base. */
const GEMMA = { pattern: 6, windowBase: 10000, largest: 62 } as const;

/** A model's configuration as GGUF metadata. */
interface ModelMetadata extends RopeMetadata {
  /** A sentence about settings that the file can't express. */
  readonly note?: string;
}

/**
 * The keys that llama.cpp's converter writes for a `config.json`.
 * @throws BidoraError `EXPORT` for a model that llama.cpp would compute differently
 */
function modelMetadata(architecture: NamedArchitecture, config: DecoderConfig): ModelMetadata {
  const { name } = architecture;
  refuseOther(architecture, config);
  const rope = ropeMetadata(name, config.ropes.full_attention, config.maxTokens);
  const context = architecture.isGemma ? config.maxTokens : withinWindow(config);
  const values: readonly (readonly [string, number | undefined])[] = [
    ["vocab_size", config.vocabSize],
    ["context_length", context],
    ["embedding_length", config.hiddenSize],
    ["block_count", config.layers],
    ["feed_forward_length", config.intermediateSize],
    ["attention.head_count", config.heads],
    ["attention.head_count_kv", config.kvHeads],
    ["attention.key_length", config.headSize],
    ["attention.value_length", config.headSize],
    ["attention.sliding_window", architecture.isGemma ? config.slidingWindow : undefined],
    ["rope.dimension_count", architecture.headSizeKey === "rope.dimension_count" ? config.headSize : undefined],
  ];
  const counts = values.flatMap(([key, value]): GgufPair[] =>
    value === undefined ? [] : [[`${name}.${key}`, count(value)]],
  );
  const epsilon: GgufPair = [`${name}.attention.layer_norm_rms_epsilon`, number(config.normEpsilon)];
  return {
    ...rope,
    pairs: [...counts, epsilon, ...rope.pairs],
    ...(context < config.maxTokens && {
      note: `Its layers have a sliding window of ${context} tokens, which llama.cpp does not support for ${name}: the context length is ${context}.`,
    }),
  };
}

/** Up to the length of the window, sliding-window attention equals full attention. */
function withinWindow({ maxTokens, slidingWindow, layerTypes }: DecoderConfig): number {
  const isCut = layerTypes.includes("sliding_attention");
  return isCut && slidingWindow !== undefined ? Math.min(maxTokens, slidingWindow) : maxTokens;
}

function refuseOther({ name, isGemma = false }: NamedArchitecture, config: DecoderConfig): void {
  const activations = isGemma ? ["gelu_pytorch_tanh"] : ["silu", "swish"];
  if (!activations.includes(config.activation)) {
    throw exportError(`its activation is ${config.activation}, but llama.cpp's ${name} uses ${activations[0]}.`);
  }
  const { queryBias, outputBias, mlpBias } = config;
  const allowed = { llama: 7, qwen2: 1, qwen3: 0, gemma3: 0 }[name];
  const has = Number(queryBias) + 2 * Number(outputBias) + 4 * Number(mlpBias);
  if ((has & ~allowed) !== 0) throw exportError(`it has biases that llama.cpp's ${name} does not have.`);
  const { heads, headSize, hiddenSize } = config;
  if (name === "qwen2" && heads * headSize !== hiddenSize) {
    throw exportError(
      `its heads have ${heads} · ${headSize} dimensions, but llama.cpp's qwen2 requires the hidden size ${hiddenSize}.`,
    );
  }
  if (isGemma) refuseOtherGemma(config);
}

/** Checks the settings that llama.cpp assumes for Gemma 3. */
function refuseOtherGemma(config: DecoderConfig): void {
  const { layers, hiddenSize, heads, headSize, layerTypes, ropes, slidingWindow } = config;
  const hasWindow = slidingWindow !== undefined;
  const isUsual = layerTypes.every(
    (type, i) => (type === "full_attention") === (!hasWindow || (i + 1) % GEMMA.pattern === 0),
  );
  if (!isUsual)
    throw exportError(
      `its layer_types differ from llama.cpp's, where every ${GEMMA.pattern}th layer has full attention.`,
    );
  const scale = (layers === GEMMA.largest ? hiddenSize / heads : headSize) ** -0.5;
  if (Math.abs((config.attentionScale ?? scale) / scale - 1) > 1e-6) {
    throw exportError(`its query_pre_attn_scalar is not ${scale ** -2}, which llama.cpp requires.`);
  }
  const { type, theta } = ropes.sliding_attention;
  if (hasWindow && (type !== "default" || theta !== GEMMA.windowBase)) {
    throw exportError(
      `its sliding-window layers have RoPE base ${theta} and scaling ${type}, but llama.cpp requires ${GEMMA.windowBase} and none.`,
    );
  }
}

/** RoPE scaling in the keys of llama.cpp's converter. */
interface RopeMetadata {
  readonly pairs: readonly GgufPair[];
  /** The divisors of the frequencies, if llama.cpp reads them from a tensor. */
  readonly factors?: readonly number[];
}

/**
 * @param prefix the architecture's name
 * @throws BidoraError `EXPORT` for RoPE scaling that llama.cpp does not support
 */
function ropeMetadata(prefix: string, rope: Rope, maxPositions: number): RopeMetadata {
  const base: GgufPair = [`${prefix}.rope.freq_base`, number(rope.theta)];
  if (rope.type === "default") return { pairs: [base] };
  const { settings } = rope;
  const original = Number(settings.original_max_position_embeddings ?? maxPositions);
  if (rope.type === "llama3" && prefix !== "llama")
    throw exportError(`llama.cpp supports llama3 RoPE scaling for llama models, but not for ${prefix}.`);
  if (rope.type === "llama3") return { pairs: [base], factors: factorsOf(rope, original) };
  if (rope.type !== "linear" && rope.type !== "yarn") {
    throw exportError(`llama.cpp does not support ${rope.type} RoPE scaling; supported are linear, llama3 and yarn.`);
  }
  const factor = Number(settings.factor ?? maxPositions / original);
  const scaling: GgufPair[] = [
    base,
    [`${prefix}.rope.scaling.type`, text(rope.type)],
    [`${prefix}.rope.scaling.factor`, number(factor)],
  ];
  if (rope.type === "linear") return { pairs: scaling };
  refuseUnlikeYarn(rope, factor);
  return { pairs: [...scaling, [`${prefix}.rope.scaling.original_context_length`, count(original)]] };
}

function factorsOf({ settings, theta, frequencies }: Rope, original: number): number[] {
  const [factor, low, high] = [settings.factor, settings.low_freq_factor, settings.high_freq_factor].map(Number);
  const all = { factor: factor!, low_freq_factor: low!, high_freq_factor: high! };
  return llama3Factors({ ...all, original_max_position_embeddings: original }, theta, frequencies(0).length);
}

/** Few versions of llama.cpp read YaRN's optional settings, so only models with the defaults of all versions are exported. */
function refuseUnlikeYarn({ settings, factor: attention }: Rope, factor: number): void {
  const { beta_fast: fast, beta_slow: slow, truncate } = settings;
  const usual = factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1;
  const other =
    ((fast ?? 32) !== 32 && "beta_fast") ||
    ((slow ?? 1) !== 1 && "beta_slow") ||
    (truncate === false && "truncate") ||
    (Math.abs(attention / usual - 1) > 1e-6 && "attention_factor");
  if (other) throw exportError(`the ${other} of its yarn scaling is not llama.cpp's.`);
}

/** Tokens that end a turn in the models' chat formats. */
const TURN_ENDS: readonly string[] = ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<turn|>"];

/**
 * A tokenizer in the keys of GGUF files.
 * @throws BidoraError `EXPORT` for a tokenizer that adds other tokens to a text than BOS and EOS
 */
export async function tokenizerParts(
  tokenizer: Tokenizer,
  folder: string,
  config: JsonObject,
): Promise<TokenizerParts> {
  const bos = tokenizer.specialTokenId("bos_token") ?? idOf(config.bos_token_id);
  const eos = tokenizer.specialTokenId("eos_token") ?? idOf(config.eos_token_id);
  const eot = turnEnd(tokenizer, endsOf(folder, config), eos);
  const unknown = tokenizer.specialTokenId("unk_token");
  const padding = tokenizer.padTokenId ?? idOf(config.pad_token_id);
  return {
    path: folder,
    json: tokenizer.json as JsonObject,
    roles: Object.fromEntries(Object.entries({ bos, eos, eot, unknown, padding }).filter(([, id]) => id !== undefined)),
    addsBos: isAdded(await tokenizer.prefixIds(), bos, "before"),
    addsEos: isAdded(await tokenizer.suffixIds(), eos, "after"),
    chatTemplate: tokenizer.chatTemplateText,
  };
}

function isAdded(ids: readonly number[], token: number | undefined, where: string): boolean {
  if (ids.length === 0) return false;
  if (ids.length === 1 && ids[0] === token) return true;
  const role = where === "before" ? "bos_token" : "eos_token";
  throw exportError(
    `its tokenizer adds tokens ${ids.join(", ")} ${where} a text, but llama.cpp can only add the ${role}.`,
  );
}

const idOf = (id: unknown): number | undefined => (typeof id === "number" ? id : undefined);

/** The tokens that end generation, from the model's files. */
function endsOf(folder: string, config: JsonObject): unknown[] {
  const path = join(folder, GENERATION_CONFIG);
  const ends = (existsSync(path) ? readJsonObject(path).eos_token_id : undefined) ?? config.eos_token_id;
  return Array.isArray(ends) ? ends : [ends];
}

/** The other end token, if it is one that ends a turn. */
function turnEnd(tokenizer: Tokenizer, ends: readonly unknown[], eos: number | undefined): number | undefined {
  const others = ends.filter((id) => typeof id === "number").filter((id) => id !== eos);
  return others.find((id) => TURN_ENDS.includes(tokenizer.tokenText(id) ?? ""));
}

/** The strings of the tokens that end an answer. */
export function stopsOf(tokenizer: Tokenizer, { roles }: TokenizerParts): string[] {
  const ids = [roles.eos, roles.eot].filter((id) => id !== undefined);
  return ids.flatMap((id) => tokenizer.tokenText(id) ?? []);
}

/** An error for a model that llama.cpp would compute differently or not at all. */
export const exportError = (what: string): BidoraError =>
  new BidoraError("EXPORT", `The model can't be written as GGUF: ${what}`);
