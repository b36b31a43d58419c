// The encoders that are written, with llama.cpp's names for their parameters. Of their files, only rerankers' are read.

import { own } from "../../base/index.js";

/** llama.cpp's names for the parameters of an encoder. */
export interface EncoderNames {
  /** `general.architecture`. */
  readonly name: "bert" | "modern-bert";
  /** The path of the encoder in a model with a head. */
  readonly prefix: string;
  /** The path of the layers. */
  readonly layers: string;
  /** The file's names of modules outside of layers, by their path. */
  readonly outside: Readonly<Record<string, string>>;
  /** The file's names of a layer's modules, by their path within the layer. */
  readonly layer: Readonly<Record<string, string>>;
  /** The file's names of a classifier's modules, by their path; undefined if llama.cpp computes another head. */
  readonly head?: Readonly<Record<string, string>>;
}

/** The dense layer of a head, before tanh (in ModernBERT GELU and a norm), and its output layer. */
const [DENSE, HEAD_OUTPUT] = ["cls", "cls.output"];

const BERT: EncoderNames = {
  name: "bert",
  prefix: "bert",
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
  head: { "bert.pooler.dense": DENSE, classifier: HEAD_OUTPUT },
};

const ROBERTA: EncoderNames = {
  ...BERT,
  prefix: "roberta",
  head: { "classifier.dense": DENSE, "classifier.out_proj": HEAD_OUTPUT },
};

/** Its head has no tanh. */
const { head: _pooled, ...HEADLESS } = BERT;

const DISTILBERT: EncoderNames = {
  ...HEADLESS,
  prefix: "distilbert",
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
  prefix: "model",
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
  head: { "head.dense": DENSE, "head.norm": "cls.norm", classifier: HEAD_OUTPUT },
};

/** By `model_type`. */
const ENCODERS = {
  bert: BERT,
  distilbert: DISTILBERT,
  roberta: ROBERTA,
  "xlm-roberta": ROBERTA,
  camembert: ROBERTA,
  modernbert: MODERNBERT,
} as const satisfies Readonly<Record<string, EncoderNames>>;

/** An encoder's `model_type`. */
export type EncoderType = keyof typeof ENCODERS;

/** Every encoder's `model_type` that can be written. */
export const ENCODER_TYPES = Object.keys(ENCODERS) as EncoderType[];

/** The names for encoders of a `model_type`; undefined if they can't be written. */
export const encoderNames = (modelType: unknown): EncoderNames | undefined =>
  typeof modelType === "string" ? own<EncoderNames>(ENCODERS, modelType) : undefined;

/** Every encoder's `model_type` whose rerankers can be written. */
export const RERANKER_TYPES = ENCODER_TYPES.filter((type) => (ENCODERS[type] as EncoderNames).head);

/** The tensor name in a file for a parameter of transformers; undefined if files have no such tensor. */
export function encoderTensor(names: EncoderNames, parameter: string): string | undefined {
  const [, path = "", kind] = /^(.+)\.(weight|bias)$/.exec(parameter) ?? [];
  const part = own(names.head ?? {}, path) ?? backbonePart(names, path);
  return part && `${part}.${kind}`;
}

/** The file's name of a module, without its head. @param path with the prefix or, in a model without a head, without it */
function backbonePart({ prefix, layers, outside, layer }: EncoderNames, path: string): string | undefined {
  const module = path.startsWith(`${prefix}.`) ? path.slice(prefix.length + 1) : path;
  const [, number, inner = ""] = module.startsWith(`${layers}.`)
    ? (/^(\d+)\.(.+)$/.exec(module.slice(layers.length + 1)) ?? [])
    : [];
  if (number === undefined) return own(outside, module);
  const part = own(layer, inner);
  return part && `blk.${number}.${part}`;
}

/** Encoders whose files are read, as transformers' class for them, by `general.architecture`. */
export const READ_ENCODERS = { bert: BERT, "modern-bert": MODERNBERT } as const;

/** The parameter of an encoder with a classifier for a tensor of a file; undefined if it has none. */
export function encoderParameter(names: EncoderNames, tensor: string): string | undefined {
  const { prefix, layers, outside, layer, head = {} } = names;
  const [, number, part = "", kind] = /^(?:blk\.(0|[1-9]\d*)\.)?([\w.]+)\.(weight|bias)$/.exec(tensor) ?? [];
  const pathIn = (of: Readonly<Record<string, string>>) => Object.entries(of).find(([, name]) => name === part)?.[0];
  const within = pathIn(number === undefined ? outside : layer);
  const inside = within && (number === undefined ? within : `${layers}.${number}.${within}`);
  const path = inside ? `${prefix}.${inside}` : number === undefined ? pathIn(head) : undefined;
  return path && `${path}.${kind}`;
}
