import { didYouMean } from "../../common/messages.js";
import type { JsonObject } from "../json.js";
import { ggufError } from "./error.js";
import { gemma3Config } from "./gemma3.js";
import type { ArchitectureKeys } from "./keys.js";
import type { GgufMetadata } from "./metadata.js";

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
