/** Encoders that embed texts or rank them, as llama.cpp's architectures `bert` and `modern-bert`. */

import type { JsonObject } from "../../../base/records/index.js";
import {
  count,
  type EncoderNames,
  encoderNames,
  encoderTensor,
  flag,
  type GgufPair,
  number,
  text,
} from "../../../formats/gguf/index.js";
import type { BertConfig, ModernBertConfig } from "../../../models/families/index.js";
import { architectureOf } from "../../../models/index.js";
import { exportError, type Form, type Writable } from "./form.js";

/** An encoder; undefined for a family that is not. @throws BidoraError `CONFIG`, `EXPORT` */
export function writableEncoder(json: JsonObject): Writable | undefined {
  const names = encoderNames(json.model_type);
  if (!names) return undefined;
  const config = architectureOf(json).parseConfig(json);
  const form =
    names.name === "bert"
      ? (limit?: number) => bertForm(names, config as BertConfig, limit)
      : (limit?: number) => modernBertForm(names, config as ModernBertConfig, limit);
  form();
  return { json, config, isEncoder: true, ranks: names.head !== undefined, form };
}

/** Keys that all encoders have. @param context the most tokens of a text */
function commonPairs(
  { name }: EncoderNames,
  config: Pick<BertConfig, "hiddenSize" | "layers" | "intermediateSize" | "heads">,
  { context, epsilon }: { readonly context: number; readonly epsilon: number },
): GgufPair[] {
  return [
    [`${name}.context_length`, count(context)],
    [`${name}.embedding_length`, count(config.hiddenSize)],
    [`${name}.block_count`, count(config.layers)],
    [`${name}.feed_forward_length`, count(config.intermediateSize)],
    [`${name}.attention.head_count`, count(config.heads)],
    [`${name}.attention.layer_norm_epsilon`, number(epsilon)],
    [`${name}.attention.causal`, flag(false)],
  ];
}

/**
 * The position table has one row for each token of the longest text, since llama.cpp reads its size from the context length: rows that
 * RoBERTa reserves for padding are left out, and those beyond the longest text.
 */
function bertForm(names: EncoderNames, config: BertConfig, limit = config.maxTokens): Form {
  refuseActivation(names, config.activation, ["gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"]);
  const context = Math.min(limit, config.maxTokens);
  const table = { start: config.positions - config.maxTokens, length: context };
  return {
    name: names.name,
    context,
    nameOf: (path) => encoderTensor(names, path),
    laidOut: (values) => values,
    rowsOf: (tensor) => (tensor === "position_embd.weight" ? table : undefined),
    // llama.cpp adds them to float32
    isFloat32: (tensor) => tensor === "position_embd.weight" || tensor === "token_types.weight",
    pairs: [
      ...commonPairs(names, config, { context, epsilon: config.layerNormEpsilon }),
      ["tokenizer.ggml.token_type_count", count(Math.max(1, config.typeVocabSize))],
    ],
  };
}

/** Every third layer has full attention, unless the file says otherwise; older llama.cpp don't read that. */
const PATTERN = 3;

function modernBertForm(names: EncoderNames, config: ModernBertConfig, limit = config.maxTokens): Form {
  const { name } = names;
  refuseActivation(names, config.activation, ["gelu", "gelu_pytorch_tanh"]);
  refuseOtherModernBert(names, config);
  const { full_attention: full, sliding_attention: sliding } = config.ropes;
  const context = Math.min(limit, config.maxTokens);
  return {
    name,
    context,
    nameOf: (path) => encoderTensor(names, path),
    laidOut: (values) => values,
    pairs: [
      ...commonPairs(names, config, { context, epsilon: config.normEpsilon }),
      [`${name}.vocab_size`, count(config.vocabSize)],
      [`${name}.attention.sliding_window`, count(2 * config.reach)],
      [`${name}.attention.sliding_window_pattern`, count(PATTERN)],
      [`${name}.rope.freq_base`, number(full.theta)],
      [`${name}.rope.freq_base_swa`, number(sliding.theta)],
      [`${name}.rope.scaling.type`, text("none")],
    ],
  };
}

function refuseActivation({ name }: EncoderNames, activation: string, allowed: readonly string[]): void {
  if (allowed.includes(activation)) return;
  throw exportError(`its activation is ${activation}, but llama.cpp's ${name} uses gelu: use --to onnx.`);
}

function refuseOtherModernBert({ name }: EncoderNames, config: ModernBertConfig): void {
  const { normBias, attentionBias, mlpBias, layerTypes, ropes, reach } = config;
  if (normBias || attentionBias || mlpBias)
    throw exportError(`it has biases that llama.cpp's ${name} does not have: use --to onnx.`);
  if (reach === 0 || layerTypes.some((type, i) => (type === "full_attention") !== (i % PATTERN === 0)))
    throw exportError(
      `its layer types differ from llama.cpp's, where every ${PATTERN}rd layer has full attention: use --to onnx.`,
    );
  if (Object.values(ropes).some(({ type }) => type !== "default"))
    throw exportError(`it has RoPE scaling, which llama.cpp's ${name} does not have: use --to onnx.`);
}
