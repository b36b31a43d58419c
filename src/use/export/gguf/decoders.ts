/** The metadata of decoders: architecture and RoPE scaling. */

import type { JsonObject } from "../../../base/records/index.js";
import {
  architectureFor,
  count,
  type GgufPair,
  headsOf,
  interleaveHalves,
  llama3Factors,
  type NamedArchitecture,
  number,
  tensorName,
  text,
} from "../../../formats/gguf/index.js";
import { architectureOf, type DecoderConfig, type Rope } from "../../../models/index.js";
import * as torch from "../../../torch/index.js";
import { exportError, type Form, type TensorForm, type Writable } from "./form.js";

/** A decoder that is written whole; undefined for a family that is not. @throws BidoraError `CONFIG`, `EXPORT` */
export function writableDecoder(json: JsonObject): Writable | undefined {
  const architecture = architectureFor(json.model_type);
  if (!architecture) return undefined;
  const config = architectureOf(json).parseConfig(json) as DecoderConfig;
  const form = (limit: number | undefined): Form => ({
    ...modelMetadata(architecture, config, limit),
    // a model without a head has transformers' names without `model.`
    ...tensorForm(architecture, config, limit === undefined ? "" : "model."),
  });
  form(undefined);
  return { json, config, isEncoder: false, ranks: false, form };
}

/** @param prefix what parameters' paths lack */
function tensorForm(architecture: NamedArchitecture, config: DecoderConfig, prefix: string): TensorForm {
  return {
    name: architecture.name,
    nameOf: (path) => tensorName(architecture, `${prefix}${path}`),
    laidOut(values, tensor) {
      if (architecture.addsOneToNorms && tensor.endsWith("norm.weight")) return torch.addScalar(values, 1);
      const heads = headsOf(architecture, tensor, { attn_q: config.heads, attn_k: config.kvHeads });
      return heads === undefined ? values : interleaveHalves(values, heads);
    },
  };
}

/** Gemma 3's constants, which files need not contain: five of six layers have a sliding window, with this RoPE base. */
const GEMMA = { pattern: 6, windowBase: 10000, largest: 62 } as const;

/**
 * The keys that llama.cpp's converter writes for a `config.json`.
 * @throws BidoraError `EXPORT` for a model that llama.cpp would compute differently
 */
function modelMetadata(
  architecture: NamedArchitecture,
  config: DecoderConfig,
  limit = Number.POSITIVE_INFINITY,
): Omit<Form, keyof TensorForm> {
  const { name } = architecture;
  refuseOther(architecture, config);
  const rope = ropeMetadata(name, config.ropes.full_attention, config.maxTokens);
  const whole = architecture.isGemma ? config.maxTokens : withinWindow(config);
  const context = Math.min(whole, limit);
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
    context,
    pairs: [...counts, epsilon, ...rope.pairs],
    ...(whole < Math.min(config.maxTokens, limit) && {
      note: `Its layers have a sliding window of ${whole} tokens, which llama.cpp does not support for ${name}: the context length is ${whole}.`,
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

/**
 * RoPE scaling in the keys of llama.cpp's converter.
 * @param prefix the architecture's name
 * @throws BidoraError `EXPORT` for RoPE scaling that llama.cpp does not support
 */
function ropeMetadata(prefix: string, rope: Rope, maxPositions: number): Pick<Form, "pairs" | "factors"> {
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
