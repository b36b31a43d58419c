// Random models as GGUF files for llama.cpp: matrices in one type, norms and biases in float32.

import type { JsonObject } from "../../src/base/records/json.js";
import { openCheckpoint } from "../../src/formats/checkpoint.js";
import { interleaveHalves } from "../../src/formats/gguf/architectures.js";
import type { GgufValue } from "../../src/formats/gguf/types.js";
import { type GgufEntry, writeGguf } from "../../src/formats/gguf/writer.js";
import * as torch from "../../src/torch/index.js";
import type { RandomModel } from "./randomModel.js";

interface Family {
  readonly architecture: string;
  /** Matches a layer's tensor names in the checkpoint. */
  readonly layer: RegExp;
  /** GGUF names by checkpoint names, within layers and outside. */
  readonly names: Readonly<Record<string, string>>;
  /** Weights of transformers' `Conv1D`, which are stored transposed. */
  readonly transposed?: RegExp;
  metadata(config: JsonObject): Readonly<Record<string, GgufValue>>;
  /** The number of heads, for weights whose rows llama.cpp orders differently. */
  heads?(name: string, config: JsonObject): number | undefined;
}

const count = (value: unknown): GgufValue => ({ type: "uint32", value: value as number });
const real = (value: unknown): GgufValue => ({ type: "float32", value: value as number });

const LLAMA: Family = {
  architecture: "llama",
  layer: /^model\.layers\.(\d+)\.(.+)\.(weight)$/,
  names: {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    lm_head: "output",
    input_layernorm: "attn_norm",
    post_attention_layernorm: "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
  },
  metadata: (config) => ({
    context_length: count(config.max_position_embeddings),
    embedding_length: count(config.hidden_size),
    feed_forward_length: count(config.intermediate_size),
    block_count: count(config.num_hidden_layers),
    "attention.head_count": count(config.num_attention_heads),
    "attention.head_count_kv": count(config.num_key_value_heads),
    "attention.layer_norm_rms_epsilon": real(config.rms_norm_eps),
    "rope.dimension_count": count((config.hidden_size as number) / (config.num_attention_heads as number)),
    "rope.freq_base": real((config.rope_parameters as JsonObject).rope_theta),
  }),
  heads(name, config) {
    if (name.endsWith("q_proj")) return config.num_attention_heads as number;
    return name.endsWith("k_proj") ? (config.num_key_value_heads as number) : undefined;
  },
};

const FAMILIES: Readonly<Record<Exclude<RandomModel, "roberta">, Family>> = {
  smollm2: LLAMA,
  llama: LLAMA,
  tinyllama: LLAMA,
  gpt2: {
    architecture: "gpt2",
    layer: /^transformer\.h\.(\d+)\.(.+)\.(weight|bias)$/,
    names: {
      "transformer.wte": "token_embd",
      "transformer.wpe": "position_embd",
      "transformer.ln_f": "output_norm",
      ln_1: "attn_norm",
      ln_2: "ffn_norm",
      "attn.c_attn": "attn_qkv",
      "attn.c_proj": "attn_output",
      "mlp.c_fc": "ffn_up",
      "mlp.c_proj": "ffn_down",
    },
    transposed: /(c_attn|c_proj|c_fc)\.weight$/,
    metadata: (config) => ({
      context_length: count(config.n_positions),
      embedding_length: count(config.n_embd),
      feed_forward_length: count(4 * (config.n_embd as number)),
      block_count: count(config.n_layer),
      "attention.head_count": count(config.n_head),
      "attention.layer_norm_epsilon": real(config.layer_norm_epsilon),
    }),
  },
};

/** The type of a file's matrices. */
export type MatrixType = "BF16" | "Q8_0";

/** Writes the model in `folder` as a GGUF file. Its vocabulary is made up, as the benchmark uses token ids only. */
export function writeRandomGguf(
  folder: string,
  name: keyof typeof FAMILIES,
  path: string,
  type: MatrixType = "BF16",
): void {
  const checkpoint = openCheckpoint(folder);
  try {
    const { config } = checkpoint;
    const family = FAMILIES[name];
    const { architecture } = family;
    const own = Object.entries(family.metadata(config)).map(
      ([key, value]) => [`${architecture}.${key}`, value] as const,
    );
    const metadata = [["general.architecture", text(architecture)] as const, ...own, ...vocabulary(config)];
    const entries = checkpoint.names
      .filter((name) => name !== "lm_head.weight" || config.tie_word_embeddings === false)
      .map((name) => entryOf(checkpoint, family, name, type));
    writeGguf(path, metadata, entries);
  } finally {
    checkpoint.close();
  }
}

const text = (value: string): GgufValue => ({ type: "string", value });

function vocabulary({ vocab_size }: JsonObject): (readonly [string, GgufValue])[] {
  const ids = Array.from({ length: vocab_size as number }, (_, id) => id);
  return [
    ["tokenizer.ggml.model", text("gpt2")],
    ["tokenizer.ggml.pre", text("default")],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", values: ids.map((id) => `t${id}`) }],
    ["tokenizer.ggml.token_type", { type: "array", of: "int32", values: ids.map(() => 1) }],
    ["tokenizer.ggml.merges", { type: "array", of: "string", values: ["t 0"] }],
  ];
}

type Checkpoint = ReturnType<typeof openCheckpoint>;

function entryOf({ readTensor, info, config }: Checkpoint, family: Family, name: string, type: MatrixType): GgufEntry {
  const isTransposed = family.transposed?.test(name) ?? false;
  const { shape } = info(name);
  const heads = family.heads?.(name.replace(/\.weight$/, ""), config);
  return {
    name: ggufName(family, name),
    type: shape.length === 1 ? "F32" : type,
    shape: isTransposed ? shape.toReversed() : shape,
    tensor() {
      const values = readTensor(name);
      if (heads !== undefined) return torch.contiguous(interleaveHalves(values, heads));
      return isTransposed ? torch.contiguous(torch.t(values)) : values;
    },
  };
}

function ggufName({ names, layer }: Family, name: string): string {
  const [, index, part, kind] = layer.exec(name) ?? [];
  const found = names[part ?? name.replace(/\.(weight|bias)$/, "")];
  if (found === undefined) throw new Error(`${name} has no name in GGUF files.`);
  return index === undefined ? `${found}.${name.split(".").at(-1)}` : `blk.${index}.${found}.${kind}`;
}
