import type { NamedArchitecture } from "../../io/gguf/architectures.js";
import { count, type GgufPair, number } from "../../io/gguf/metadata.js";
import type { DecoderConfig } from "../../models/index.js";
import { exportError } from "./refuse.js";
import { type RopeMetadata, ropeMetadata } from "./ropeMetadata.js";

/** Gemma 3's every sixth layer sees everything, and the others' positions turn by this base: files need not say so. */
const GEMMA = { pattern: 6, windowBase: 10000, largest: 62 } as const;

/** What a model's configuration becomes. */
export interface ModelMetadata extends RopeMetadata {
  /** What the file can't say: a sentence for people. */
  readonly note?: string;
}

/**
 * The keys that llama.cpp's converter writes of a `config.json`.
 * @throws BidoraError `EXPORT` for what llama.cpp would compute otherwise
 */
export function modelMetadata(architecture: NamedArchitecture, config: DecoderConfig): ModelMetadata {
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
      note: `Its layers see a window of ${context} tokens, which llama.cpp does not have for ${name}: the context length is ${context}.`,
    }),
  };
}

/** Within a window's length, a layer that sees a window sees everything. */
function withinWindow({ maxTokens, slidingWindow, layerTypes }: DecoderConfig): number {
  const isCut = layerTypes.includes("sliding_attention");
  return isCut && slidingWindow !== undefined ? Math.min(maxTokens, slidingWindow) : maxTokens;
}

function refuseOther({ name, isGemma = false }: NamedArchitecture, config: DecoderConfig): void {
  const activations = isGemma ? ["gelu_pytorch_tanh"] : ["silu", "swish"];
  if (!activations.includes(config.activation)) {
    throw exportError(`its activation is ${config.activation}, but llama.cpp's ${name} has ${activations[0]}.`);
  }
  const { queryBias, outputBias, mlpBias } = config;
  const allowed = { llama: 7, qwen2: 1, qwen3: 0, gemma3: 0 }[name];
  const has = Number(queryBias) + 2 * Number(outputBias) + 4 * Number(mlpBias);
  if ((has & ~allowed) !== 0) throw exportError(`it has biases that llama.cpp's ${name} does not have.`);
  const { heads, headSize, hiddenSize } = config;
  if (name === "qwen2" && heads * headSize !== hiddenSize) {
    throw exportError(
      `its heads have ${heads} · ${headSize} numbers, but llama.cpp's qwen2 takes the hidden size ${hiddenSize} for granted.`,
    );
  }
  if (isGemma) refuseOtherGemma(config);
}

/** What llama.cpp takes for granted of Gemma 3. */
function refuseOtherGemma(config: DecoderConfig): void {
  const { layers, hiddenSize, heads, headSize, layerTypes, ropes, slidingWindow } = config;
  const hasWindow = slidingWindow !== undefined;
  const isUsual = layerTypes.every(
    (type, i) => (type === "full_attention") === (!hasWindow || (i + 1) % GEMMA.pattern === 0),
  );
  if (!isUsual)
    throw exportError(`its layer_types are not llama.cpp's, where every ${GEMMA.pattern}th sees everything.`);
  const scale = (layers === GEMMA.largest ? hiddenSize / heads : headSize) ** -0.5;
  if (Math.abs((config.attentionScale ?? scale) / scale - 1) > 1e-6) {
    throw exportError(`its query_pre_attn_scalar is not ${scale ** -2}, which llama.cpp takes for granted.`);
  }
  const { type, theta } = ropes.sliding_attention;
  if (hasWindow && (type !== "default" || theta !== GEMMA.windowBase)) {
    throw exportError(
      `the positions of layers that see a window have base ${theta} and scaling ${type}, but llama.cpp takes ${GEMMA.windowBase} and none for granted.`,
    );
  }
}
