// From a file's metadata to transformers' `config.json`.

import type { JsonObject } from "../../base/records/index.js";
import { EMBEDDINGS, type GgufArchitecture, ggufArchitectureOf, OUTPUT } from "./architectures.js";
import type { GgufFile } from "./file.js";
import { ArchitectureKeys, type GgufMetadata } from "./metadata.js";
import { poolingOf } from "./pooling.js";
import { ropeParameters } from "./rope.js";
import { ggufError } from "./types.js";

/**
 * The `config.json` of the model in a file, as transformers makes it (`from_pretrained(…, gguf_file=…)`). Also has what transformers
 * leaves at a class's defaults although the file says it: head size, RoPE scaling, biases, sliding windows.
 * @throws BidoraError `GGUF` for an architecture or a setting that is not supported
 */
export function configOf(file: GgufFile): JsonObject {
  const { metadata, tensors } = file;
  const architecture = ggufArchitectureOf(metadata);
  const read = new ArchitectureKeys(metadata, architecture.name);
  refuseUnsupported(read, architecture);
  const heads = read.size("attention.head_count");
  const hiddenSize = read.size("embedding_length");
  const headSize = headSizeOf(read, architecture) ?? hiddenSize / heads;
  checkSizes(read, file, headSize);
  const rope = ropeParameters(file, read, headSize);
  const vocabSize = vocabSizeOf(file);
  return {
    architectures: [architecture.className],
    model_type: architecture.modelType,
    hidden_size: hiddenSize,
    intermediate_size: read.size("feed_forward_length"),
    num_hidden_layers: read.size("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: read.optionalCount("attention.head_count_kv") ?? heads,
    head_dim: headSize,
    max_position_embeddings: read.size("context_length"),
    rms_norm_eps: read.number("attention.layer_norm_rms_epsilon"),
    rope_parameters: rope,
    vocab_size: vocabSize,
    // A model that embeds texts has no output matrix, tied or not.
    tie_word_embeddings: !tensors.has(OUTPUT) && poolingOf(metadata) === undefined,
    dtype: "float32",
    ...biases(file, architecture),
    ...tokenIds(metadata, vocabSize),
    ...architecture.ownConfig?.(read, rope),
  };
}

/** Checks what a model's sizes must be to each other, while messages can name the file's own keys. */
function checkSizes(read: ArchitectureKeys, { tensors }: GgufFile, headSize: number): void {
  const [heads, layers] = [read.count("attention.head_count"), read.count("block_count")];
  const kvHeads = read.optionalCount("attention.head_count_kv") ?? heads;
  if (!Number.isInteger(headSize))
    throw read.fault(
      "embedding_length",
      `is ${read.count("embedding_length")}, which is not a multiple of ${read.name("attention.head_count")} (${heads}).`,
    );
  if (headSize % 2 !== 0 || headSize === 0)
    throw ggufError(read.metadata.path, `its heads have ${headSize} dimensions; expected an even number above 0.`);
  if (heads % kvHeads !== 0)
    throw read.fault(
      "attention.head_count",
      `is ${heads}, which is not a multiple of ${read.name("attention.head_count_kv")} (${kvHeads}).`,
    );
  const numbers = Array.from(tensors.keys(), (name) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1));
  const held = numbers.reduce((most, number) => Math.max(most, number + 1), 0);
  if (layers > held) throw read.fault("block_count", `is ${layers}, but the file has tensors of ${held} layers.`);
  const epsilon = read.number("attention.layer_norm_rms_epsilon");
  if (epsilon < 0) throw read.fault("attention.layer_norm_rms_epsilon", `must be at least 0, but is ${epsilon}.`);
}

/** The number of rows of the embeddings; the vocabulary may be smaller. */
function vocabSizeOf(file: GgufFile): number {
  const [rows = 0] = file.info(EMBEDDINGS).shape;
  const tokens = file.metadata.texts("tokenizer.ggml.tokens")?.length ?? 0;
  if (tokens <= rows) return rows;
  throw ggufError(file.path, `tokenizer.ggml.tokens has ${tokens} entries, but '${EMBEDDINGS}' has ${rows} rows.`);
}

/** Settings that the architecture's class does not have: a file with one of them is refused. */
const UNSUPPORTED = [
  "expert_count",
  "attention.sliding_window",
  "attention.scale",
  "attention.clamp_kqv",
  "attention.max_alibi_bias",
  "logit_scale",
  "residual_scale",
].concat("embedding_scale", "attn_logit_softcapping", "final_logit_softcapping");

function refuseUnsupported(read: ArchitectureKeys, { ownKeys }: GgufArchitecture): void {
  for (const key of UNSUPPORTED.filter((key) => !ownKeys?.includes(key))) {
    const value = read.optionalNumber(key) ?? 0;
    if (value !== 0) throw read.fault(key, `is ${value}, which is not supported; expected no such key.`);
  }
  if (read.optionalFlag("attention.causal") === false)
    throw read.fault("attention.causal", "is false: bidirectional attention is not supported.");
}

function headSizeOf(read: ArchitectureKeys, { headSizeKey }: GgufArchitecture): number | undefined {
  const key = read.optionalCount("attention.key_length");
  const value = read.optionalCount("attention.value_length");
  const rotated = read.optionalCount("rope.dimension_count");
  if (value !== undefined && key !== undefined && value !== key) {
    throw read.fault("attention.value_length", `is ${value}, but queries and keys have ${key}: not supported.`);
  }
  const size = key ?? (headSizeKey === "rope.dimension_count" ? rotated : undefined);
  const whole = size ?? read.count("embedding_length") / read.count("attention.head_count");
  if (rotated !== undefined && rotated !== whole) {
    throw read.fault(
      "rope.dimension_count",
      `is ${rotated}, but heads have ${whole} dimensions: partial rotary embeddings are not supported.`,
    );
  }
  return size;
}

const ATTENTION = ["attn_q", "attn_k", "attn_v", "attn_output"] as const;
const FEED_FORWARD = ["ffn_gate", "ffn_up", "ffn_down"] as const;

/** Projections that can have biases, by `model_type`. In Qwen 2 they always have. */
const BIASED: Readonly<Record<string, readonly string[]>> = {
  llama: [...ATTENTION, ...FEED_FORWARD],
  qwen2: ["attn_q", "attn_k", "attn_v"],
  qwen3: ATTENTION,
};

/** Llama's configuration has biases in all four attention projections or in none. */
function biases({ path, tensors }: GgufFile, { modelType }: GgufArchitecture): JsonObject {
  const biased = new Set([...tensors.keys()].flatMap((name) => /^(?:blk\.\d+\.)?(\w+)\.bias$/.exec(name)?.[1] ?? []));
  const surplus = [...biased].find((part) => !BIASED[modelType]?.includes(part));
  if (surplus !== undefined)
    throw ggufError(path, `it has biases for ${surplus}, but a ${modelType} model has none there.`);
  if (modelType !== "llama" && modelType !== "qwen3") return {};
  const all = (key: string, names: readonly string[]): boolean => {
    const found = names.filter((name) => biased.has(name));
    if (found.length > 0 && found.length < names.length) {
      throw ggufError(
        path,
        `it has biases only for ${found.join(", ")} of ${names.join(", ")}, which ${key} can't express.`,
      );
    }
    return found.length > 0;
  };
  return {
    attention_bias: all("attention_bias", ATTENTION),
    ...(modelType === "llama" && { mlp_bias: all("mlp_bias", FEED_FORWARD) }),
  };
}

const TOKEN_IDS = { bos_token_id: "bos", eos_token_id: "eos", pad_token_id: "padding" } as const;

function tokenIds(metadata: GgufMetadata, vocabSize: number): JsonObject {
  const ids: Record<string, number> = {};
  for (const [name, role] of Object.entries(TOKEN_IDS)) {
    const id = tokenId(metadata, role, vocabSize);
    if (id !== undefined) ids[name] = id;
  }
  return ids;
}

/** The id of the token with a role (bos, eos, …), or undefined if there is none. */
export function tokenId(metadata: GgufMetadata, role: string, vocabSize: number): number | undefined {
  const key = `tokenizer.ggml.${role}_token_id`;
  const id = metadata.count(key);
  if (id === undefined || id < vocabSize) return id;
  throw ggufError(metadata.path, `${key} is ${id}, but there are ${vocabSize} tokens.`);
}

/** Tokens that end a turn in the models' chat formats. */
export const TURN_ENDS: readonly string[] = ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<turn|>"];

/** The ids of the tokens that end generation: end of text, of turn and of message. */
export function endTokens(metadata: GgufMetadata, vocabSize: number): number[] {
  const [eos, turn, eom] = ["eos", "eot", "eom"].map((role) => tokenId(metadata, role, vocabSize));
  return [...new Set([eos, turn ?? turnEnd(metadata), eom].filter((id) => id !== undefined))];
}

/** As in llama.cpp, a token's text says that it ends a turn, where the file does not: Gemma's files name none. */
function turnEnd(metadata: GgufMetadata): number | undefined {
  const id = metadata.texts("tokenizer.ggml.tokens")?.findIndex((token) => TURN_ENDS.includes(token)) ?? -1;
  return id === -1 ? undefined : id;
}
