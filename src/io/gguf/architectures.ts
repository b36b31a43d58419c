import { own } from "../../common/collections.js";
import { didYouMean } from "../../common/messages.js";
import * as torch from "../../torch/index.js";
import type { JsonObject } from "../json.js";
import { ggufError } from "./format.js";
import type { ArchitectureKeys, GgufMetadata } from "./metadata.js";

/** How llama.cpp's converter has written a family's models, and what transformers calls their parts. */
export interface GgufArchitecture {
  readonly modelType: string;
  /** Further values of `model_type` whose models are written as this one. */
  readonly alsoWrites?: readonly string[];
  readonly className: string;
  /** What stands in a layer, by its name in the file. */
  readonly layerNames: Readonly<Record<string, string>>;
  /** Rows of the query and key products lie so that the two numbers that are turned together are neighbours. */
  readonly interleavesHeads: boolean;
  /** Norm weights are kept with 1 added. */
  readonly addsOneToNorms: boolean;
  /** What says the size of a head. */
  readonly headSizeKey: "rope.dimension_count" | "attention.key_length";
  /** What the configuration has beyond what all have. */
  readonly ownConfig?: (read: ArchitectureKeys, rope: JsonObject) => JsonObject;
  /** The keys from which that is made. */
  readonly ownKeys?: readonly string[];
  /** Spaces stand at any place as they are, and merges go by the order of tokens rather than by their scores. */
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

export type ArchitectureName = keyof typeof ARCHITECTURES;

export type NamedArchitecture = GgufArchitecture & { readonly name: ArchitectureName };

export const ARCHITECTURE_KEY = "general.architecture";

const ALL: readonly NamedArchitecture[] = (Object.keys(ARCHITECTURES) as ArchitectureName[]).map((name) => ({
  ...ARCHITECTURES[name],
  name,
}));

/** How models of a `model_type` are written, or undefined where they can't be. */
export const architectureFor = (modelType: unknown): NamedArchitecture | undefined =>
  ALL.find((known) => typesWritten(known).some((type) => type === modelType));

/** Every `model_type` whose models can be written. */
export const writableModelTypes = (): string[] => ALL.flatMap(typesWritten);

const typesWritten = ({ modelType, alsoWrites = [] }: GgufArchitecture): string[] => [modelType, ...alsoWrites];

/** The architecture that a file names. @throws BidoraError `GGUF` that lists the supported ones */
export function architectureOf(metadata: GgufMetadata): NamedArchitecture {
  const name = metadata.required(ARCHITECTURE_KEY, metadata.text(ARCHITECTURE_KEY));
  const found = ALL.find((architecture) => architecture.name === name);
  if (found) return found;
  const known = ALL.map((architecture) => architecture.name);
  throw ggufError(
    metadata.path,
    `${ARCHITECTURE_KEY} ${JSON.stringify(name)} is not supported; supported are ${known.join(", ")}.${didYouMean(name, known)}`,
  );
}

/** Every sixth layer sees everything, as llama.cpp has it where the file does not say. */
const PATTERN = 6;
/** The base of the layers that see a window. */
const WINDOW_BASE = 10000;
/** The model of so many layers divides by another size of heads than they have. */
const LARGEST = 62;

/** Gemma 3's two kinds of layers, each with its own rotary positions, of which the wide ones alone are stretched. */
export function gemma3Config(read: ArchitectureKeys, rope: JsonObject): JsonObject {
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
/** Factors by which rotary frequencies are divided: no parameter, but part of the configuration. */
export const ROPE_FACTORS = "rope_freqs.weight";

const OUTSIDE_LAYERS: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};

/**
 * The name in transformers of each tensor in a file, from it to the file's own.
 * @param layers how many the model has
 * @throws BidoraError `GGUF` for a tensor that the model has no place for: without it the model would be another one
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
      throw ggufError(path, `tensor '${tensor}' has no place in a ${modelType} model of ${layers} layers.`);
    names.set(name, tensor);
  }
  return names;
}

/** The name in a file of a parameter as transformers calls it, or undefined where files have no place for it. */
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

/** How many heads there are of queries, and of keys. */
export type HeadCounts = Readonly<Record<"attn_q" | "attn_k", number>>;

/** The heads that share a tensor's rows where these lie in another order than transformers', or undefined where they do not. */
export function headsOf(
  { interleavesHeads }: Pick<GgufArchitecture, "interleavesHeads">,
  tensor: string,
  counts: HeadCounts,
): number | undefined {
  const part = /^blk\.\d+\.(attn_q|attn_k)\./.exec(tensor)?.[1] as keyof HeadCounts | undefined;
  return part === undefined || !interleavesHeads ? undefined : counts[part];
}

/** Within a head, rows 0, 2, 4 … are its first half and rows 1, 3, 5 … its second. */
export function separateHalves(bytes: Uint8Array, rows: number, heads: number): Uint8Array {
  const rowBytes = bytes.length / rows;
  const half = rows / heads / 2;
  const out = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * half));
    const within = row % (2 * half);
    const from = head * 2 * half + (within % half) * 2 + Math.floor(within / half);
    out.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
  }
  return out;
}

/** The way back, of the values themselves: row i of a head's first half, then row i of its second. values: [rows, …] */
export function interleaveHalves(values: torch.Tensor, heads: number): torch.Tensor {
  const [rows, ...rest] = values.shape as [number, ...number[]];
  const halves = torch.reshape(values, [heads, 2, rows / heads / 2, ...rest]);
  return torch.reshape(torch.transpose(halves, 1, 2), values.shape);
}
