// The encoders that are written, with llama.cpp's names for their parameters. Files of encoders are not read.

import { own } from "../../base/index.js";

/** llama.cpp's names for the parameters of an encoder without a head. */
export interface EncoderNames {
  /** `general.architecture`. */
  readonly name: "bert" | "modern-bert";
  /** The path of the layers. */
  readonly layers: string;
  /** The file's names of modules outside of layers, by their path. */
  readonly outside: Readonly<Record<string, string>>;
  /** The file's names of a layer's modules, by their path within the layer. */
  readonly layer: Readonly<Record<string, string>>;
}

const BERT: EncoderNames = {
  name: "bert",
  layers: "encoder.layer",
  outside: {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
  },
  layer: {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
  },
};

const DISTILBERT: EncoderNames = {
  ...BERT,
  layers: "transformer.layer",
  layer: {
    "attention.q_lin": "attn_q",
    "attention.k_lin": "attn_k",
    "attention.v_lin": "attn_v",
    "attention.out_lin": "attn_output",
    sa_layer_norm: "attn_output_norm",
    "ffn.lin1": "ffn_up",
    "ffn.lin2": "ffn_down",
    output_layer_norm: "layer_output_norm",
  },
};

const MODERNBERT: EncoderNames = {
  name: "modern-bert",
  layers: "layers",
  outside: {
    "embeddings.tok_embeddings": "token_embd",
    "embeddings.norm": "token_embd_norm",
    final_norm: "output_norm",
  },
  layer: {
    attn_norm: "attn_norm",
    "attn.Wqkv": "attn_qkv",
    "attn.Wo": "attn_output",
    mlp_norm: "ffn_norm",
    "mlp.Wi": "ffn_up",
    "mlp.Wo": "ffn_down",
  },
};

/** By `model_type`. */
const ENCODERS = {
  bert: BERT,
  distilbert: DISTILBERT,
  roberta: BERT,
  "xlm-roberta": BERT,
  camembert: BERT,
  modernbert: MODERNBERT,
} as const satisfies Readonly<Record<string, EncoderNames>>;

/** An encoder's `model_type`. */
export type EncoderType = keyof typeof ENCODERS;

/** Every encoder's `model_type` that can be written. */
export const ENCODER_TYPES = Object.keys(ENCODERS) as EncoderType[];

/** The names for encoders of a `model_type`; undefined if they can't be written. */
export const encoderNames = (modelType: unknown): EncoderNames | undefined =>
  typeof modelType === "string" ? own<EncoderNames>(ENCODERS, modelType) : undefined;

/** The tensor name in a file for a parameter of transformers; undefined if files have no such tensor. */
export function encoderTensor({ layers, outside, layer }: EncoderNames, parameter: string): string | undefined {
  const [, module = "", kind] = /^(.+)\.(weight|bias)$/.exec(parameter) ?? [];
  const [, number, inner = ""] = module.startsWith(`${layers}.`)
    ? (/^(\d+)\.(.+)$/.exec(module.slice(layers.length + 1)) ?? [])
    : [];
  const part = number === undefined ? own(outside, module) : own(layer, inner);
  return part && `${number === undefined ? "" : `blk.${number}.`}${part}.${kind}`;
}
