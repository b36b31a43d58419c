// The supported architectures: their names, tensor names and row order in llama.cpp and in transformers.

import { didYouMean, own } from "../../base/index.js";
import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import type { ArchitectureKeys, GgufMetadata } from "./metadata.js";
import { ggufError } from "./types.js";

/** How llama.cpp's converter writes a model family, and transformers' names for its parts. */
export interface GgufArchitecture {
  readonly modelType: string;
  /** Other values of `model_type` that are written the same way. */
  readonly alsoWrites?: readonly string[];
  readonly className: string;
  /** Modules of a layer in transformers, by their name in the file. */
  readonly layerNames: Readonly<Record<string, string>>;
  /** Whether rows of the query and key projections are ordered so that the two elements of each rotary pair are adjacent. */
  readonly interleavesHeads: boolean;
  /** Whether 1 is added to norm weights. */
  readonly addsOneToNorms: boolean;
  /** The key with the head size. */
  readonly headSizeKey: "rope.dimension_count" | "attention.key_length";
  /** Returns the configuration keys that only this architecture has. */
  readonly ownConfig?: (read: ArchitectureKeys, rope: JsonObject) => JsonObject;
  /** Metadata keys that `ownConfig` reads. */
  readonly ownKeys?: readonly string[];
  /** Whether it uses Gemma's tokenizer: spaces are kept in tokens, and merges are ordered by token id instead of by score. */
  readonly isGemma?: boolean;
}

const ATTENTION = {
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
} as const;
const FEED_FORWARD = { ffn_gate: "mlp.gate_proj", ffn_up: "mlp.up_proj", ffn_down: "mlp.down_proj" } as const;
const HEAD_NORMS = { attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" } as const;
const NORMS = { attn_norm: "input_layernorm", ffn_norm: "post_attention_layernorm" } as const;
const DENSE = { ...ATTENTION, ...FEED_FORWARD, ...NORMS } as const;

/** By `general.architecture`. */
const ARCHITECTURES = {
  llama: {
    modelType: "llama",
    alsoWrites: ["mistral"],
    className: "LlamaForCausalLM",
    layerNames: DENSE,
    interleavesHeads: true,
    addsOneToNorms: false,
    headSizeKey: "rope.dimension_count",
  },
  qwen2: {
    modelType: "qwen2",
    className: "Qwen2ForCausalLM",
    layerNames: DENSE,
    interleavesHeads: false,
    addsOneToNorms: false,
    headSizeKey: "attention.key_length",
  },
  qwen3: {
    modelType: "qwen3",
    className: "Qwen3ForCausalLM",
    layerNames: { ...DENSE, ...HEAD_NORMS },
    interleavesHeads: false,
    addsOneToNorms: false,
    headSizeKey: "attention.key_length",
  },
  gemma3: {
    modelType: "gemma3_text",
    className: "Gemma3ForCausalLM",
    layerNames: {
      ...ATTENTION,
      ...HEAD_NORMS,
      ...FEED_FORWARD,
      attn_norm: "input_layernorm",
      post_attention_norm: "post_attention_layernorm",
      ffn_norm: "pre_feedforward_layernorm",
      post_ffw_norm: "post_feedforward_layernorm",
    },
    interleavesHeads: false,
    addsOneToNorms: true,
    headSizeKey: "attention.key_length",
    ownConfig: gemma3Config,
    ownKeys: ["attention.sliding_window"],
    isGemma: true,
  },
} as const satisfies Readonly<Record<string, GgufArchitecture>>;

type ArchitectureName = keyof typeof ARCHITECTURES;

export type NamedArchitecture = GgufArchitecture & { readonly name: ArchitectureName };

const ARCHITECTURE_KEY = "general.architecture";

const ALL: readonly NamedArchitecture[] = (Object.keys(ARCHITECTURES) as ArchitectureName[]).map((name) => ({
  ...ARCHITECTURES[name],
  name,
}));

/** The architecture that models of a `model_type` are written as, or undefined if they can't be written. */
export const architectureFor = (modelType: unknown): NamedArchitecture | undefined =>
  ALL.find((known) => typesWritten(known).some((type) => type === modelType));

/** Every `model_type` that can be written. */
export const writableModelTypes = (): string[] => ALL.flatMap(typesWritten);

const typesWritten = ({ modelType, alsoWrites = [] }: GgufArchitecture): string[] => [modelType, ...alsoWrites];

/** A file's architecture. @throws BidoraError `GGUF` that lists the supported ones */
export function ggufArchitectureOf(metadata: GgufMetadata): NamedArchitecture {
  const name = metadata.required(ARCHITECTURE_KEY, metadata.text(ARCHITECTURE_KEY));
  const found = ALL.find((architecture) => architecture.name === name);
  if (found) return found;
  const known = ALL.map((architecture) => architecture.name);
  throw ggufError(
    metadata.path,
    `${ARCHITECTURE_KEY} ${JSON.stringify(name)} is not supported; supported are ${known.join(", ")}, and bert and modern-bert with a reranker's head.${didYouMean(name, known)}`,
  );
}

/** Every sixth layer has full attention; llama.cpp's default when the file doesn't say. */
const PATTERN = 6;
/** RoPE base of sliding-window layers. */
const WINDOW_BASE = 10000;
/** The model with this many layers (27B) scales attention by another number than its head size. */
const LARGEST = 62;

/** Gemma 3's two kinds of layers, each with its own RoPE base; only full-attention layers use RoPE scaling. */
function gemma3Config(read: ArchitectureKeys, rope: JsonObject): JsonObject {
  const layers = read.count("block_count");
  const window = read.optionalCount("attention.sliding_window") ?? 0;
  const pattern = read.optionalCount("attention.sliding_window_pattern") ?? PATTERN;
  const isWide = (layer: number) => window === 0 || (layer + 1) % pattern === 0;
  const rope_theta = read.optionalNumber("rope.freq_base_swa") ?? WINDOW_BASE;
  return {
    layer_types: Array.from({ length: layers }, (_, i) => (isWide(i) ? "full_attention" : "sliding_attention")),
    ...(window > 0 && { sliding_window: window }),
    rope_parameters: { full_attention: rope, sliding_attention: { rope_type: "default", rope_theta } },
    query_pre_attn_scalar:
      layers === LARGEST
        ? read.count("embedding_length") / read.count("attention.head_count")
        : read.count("attention.key_length"),
    hidden_activation: "gelu_pytorch_tanh",
  };
}

export const EMBEDDINGS = "token_embd.weight";
export const OUTPUT = "output.weight";
/** Divisors of the RoPE frequencies: part of the configuration, not a parameter. */
export const ROPE_FACTORS = "rope_freqs.weight";

const OUTSIDE_LAYERS: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};

/**
 * Maps transformers' parameter names to the names of the file's tensors.
 * @param layers number of layers of the model
 * @throws BidoraError `GGUF` for a tensor that this architecture doesn't have, since ignoring it would give another model
 */
export function parameterNames(
  path: string,
  { layerNames, modelType }: GgufArchitecture,
  tensors: Iterable<string>,
  layers: number,
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const tensor of tensors) {
    if (tensor === ROPE_FACTORS) continue;
    const name = parameterName(layerNames, tensor, layers);
    if (name === undefined)
      throw ggufError(path, `tensor '${tensor}' is not part of a ${modelType} model with ${layers} layers.`);
    names.set(name, tensor);
  }
  return names;
}

/** The tensor name in a file for a parameter of transformers, or undefined if files have no such tensor. */
export function tensorName(
  { layerNames }: Pick<GgufArchitecture, "layerNames">,
  parameter: string,
): string | undefined {
  const [, layer, module, kind] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(parameter) ?? [];
  const places = Object.entries(layer === undefined ? OUTSIDE_LAYERS : layerNames);
  const part = places.find(([, name]) => name === module)?.[0];
  return part && `${layer === undefined ? "" : `blk.${layer}.`}${part}.${kind}`;
}

function parameterName(
  layerNames: Readonly<Record<string, string>>,
  tensor: string,
  layers: number,
): string | undefined {
  const [, layer, part, kind] = /^(?:blk\.(0|[1-9]\d*)\.)?(\w+)\.(weight|bias)$/.exec(tensor) ?? [];
  if (part === undefined || Number(layer ?? 0) >= layers) return undefined;
  const name = own(layer === undefined ? OUTSIDE_LAYERS : layerNames, part);
  if (name === undefined) return undefined;
  return `${layer === undefined ? "" : `model.layers.${layer}.`}${name}.${kind}`;
}

/** Number of query heads and of key heads. */
export type HeadCounts = Readonly<Record<"attn_q" | "attn_k", number>>;

/** The number of heads in a tensor whose rows are ordered differently than in transformers; undefined for other tensors. */
export function headsOf(
  { interleavesHeads }: Pick<GgufArchitecture, "interleavesHeads">,
  tensor: string,
  counts: HeadCounts,
): number | undefined {
  const part = /^blk\.\d+\.(attn_q|attn_k)\./.exec(tensor)?.[1] as keyof HeadCounts | undefined;
  return part === undefined || !interleavesHeads ? undefined : counts[part];
}

/** Reorders rows to transformers' order: within a head, rows 0, 2, 4 … become the first half and rows 1, 3, 5 … the second. values: [rows, …] */
export function separateHalves(values: torch.Tensor, heads: number): torch.Tensor {
  const [rows, ...rest] = values.shape as [number, ...number[]];
  const pairs = torch.reshape(values, [heads, rows / heads / 2, 2, ...rest]);
  return torch.reshape(torch.transpose(pairs, 1, 2), values.shape);
}

/** The inverse of `separateHalves`: row i of a head's first half, then row i of its second. values: [rows, …] */
export function interleaveHalves(values: torch.Tensor, heads: number): torch.Tensor {
  const [rows, ...rest] = values.shape as [number, ...number[]];
  const halves = torch.reshape(values, [heads, 2, rows / heads / 2, ...rest]);
  return torch.reshape(torch.transpose(halves, 1, 2), values.shape);
}
