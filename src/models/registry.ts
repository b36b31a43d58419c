import { didYouMean } from "../common/messages.js";
import type { JsonObject } from "../files/json.js";
import { type Architecture, classNameOf } from "./architecture.js";
import { configError } from "./configReader.js";
import { bert } from "./families/bert.js";
import { debertaV2 } from "./families/debertaV2.js";
import { distilbert } from "./families/distilbert.js";
import { electra } from "./families/electra.js";
import { esm } from "./families/esm.js";
import { gemma3Text } from "./families/gemma3.js";
import { gpt2 } from "./families/gpt2.js";
import { llama } from "./families/llama.js";
import { mistral } from "./families/mistral.js";
import { modernbert } from "./families/modernbert.js";
import { phi3 } from "./families/phi3.js";
import { qwen2, qwen3 } from "./families/qwen.js";
import { camembert, roberta, xlmRoberta } from "./families/roberta.js";
import type { HeadKind } from "./heads.js";

/** The architectures by the `model_type` of config.json. */
export const ARCHITECTURES = {
  bert,
  roberta,
  "xlm-roberta": xlmRoberta,
  camembert,
  distilbert,
  electra,
  "deberta-v2": debertaV2,
  esm,
  modernbert,
  gpt2,
  llama,
  mistral,
  qwen2,
  qwen3,
  phi3,
  gemma3_text: gemma3Text,
} as const satisfies Readonly<Record<string, Architecture>>;

export type ModelType = keyof typeof ARCHITECTURES;

/** Keys of any model that change what its weights mean, and what to do about them. */
const UNREAD: Readonly<Record<string, string>> = {
  quantization_config:
    "weights of fewer bits are read from GGUF files alone; take one of those, or the model's plain checkpoint",
  per_layer_config: "layers of one model that differ in their settings are not read; take another model",
};

/**
 * The architecture that a `config.json` names.
 * @throws BidoraError `CONFIG` that lists the supported ones, or names a key that no model is read with
 */
export function architectureOf(config: JsonObject): Architecture {
  for (const [key, why] of Object.entries(UNREAD))
    if ((config[key] ?? null) !== null) throw configError(`${key} is not supported: ${why}.`);
  const type = config.model_type;
  if (typeof type === "string" && isModelType(type)) return ARCHITECTURES[type];
  const known = Object.keys(ARCHITECTURES);
  const what = type === undefined ? "model_type is missing" : `model_type ${JSON.stringify(type)} is not supported`;
  const hint = typeof type === "string" ? didYouMean(type, known) : "";
  throw configError(`${what}; supported are ${known.join(", ")}.${hint}`);
}

/** Whether transformers' class of a model with such a `config.json` has such a head. */
export function hasHead(className: string, kind: HeadKind, { model_type: type }: JsonObject): boolean {
  if (className.endsWith(kind.className)) return true;
  return typeof type === "string" && isModelType(type) && classNameOf(ARCHITECTURES[type], kind) === className;
}

function isModelType(type: string): type is ModelType {
  return Object.hasOwn(ARCHITECTURES, type);
}
