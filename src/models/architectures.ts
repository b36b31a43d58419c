// The supported architectures. A new one is a file in families and an entry here.

import { didYouMean } from "../base/index.js";
import type { JsonObject } from "../base/records/index.js";
import { unreadQuantization } from "../formats/bitsandbytes/index.js";
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
import { mpnet } from "./families/mpnet.js";
import { phi3 } from "./families/phi3.js";
import { qwen2, qwen3 } from "./families/qwen.js";
import { camembert, roberta, xlmRoberta } from "./families/roberta.js";
import { smollm3 } from "./families/smollm3.js";
import type { HeadKind } from "./heads.js";

/** The architectures by `model_type`. */
export const ARCHITECTURES = {
  bert,
  roberta,
  "xlm-roberta": xlmRoberta,
  camembert,
  distilbert,
  electra,
  "deberta-v2": debertaV2,
  esm,
  mpnet,
  modernbert,
  gpt2,
  llama,
  mistral,
  qwen2,
  qwen3,
  phi3,
  gemma3_text: gemma3Text,
  smollm3,
} as const satisfies Readonly<Record<string, Architecture>>;

export type ModelType = keyof typeof ARCHITECTURES;

/** Keys that change the meaning of any model's weights and are not supported, with advice. */
const UNREAD: Readonly<Record<string, string>> = {
  per_layer_config: "layers with different settings are not supported; use another model",
};

/**
 * The architecture of a `config.json`.
 * @throws BidoraError `CONFIG` for an unsupported `model_type`, with a list of the supported ones, or for an unsupported key
 */
export function architectureOf(config: JsonObject): Architecture {
  for (const [key, why] of Object.entries(UNREAD))
    if ((config[key] ?? null) !== null) throw configError(`${key} is not supported: ${why}.`);
  const unread = unreadQuantization(config);
  if (unread !== undefined) throw configError(`${unread}.`);
  const type = config.model_type;
  if (typeof type === "string" && isModelType(type)) return ARCHITECTURES[type];
  const known = Object.keys(ARCHITECTURES);
  const what = type === undefined ? "model_type is missing" : `model_type ${JSON.stringify(type)} is not supported`;
  const hint = typeof type === "string" ? didYouMean(type, known) : "";
  throw configError(`${what}; supported are ${known.join(", ")}.${hint}`);
}

/** The `model_type` of a registered architecture. */
export function modelTypeOf(architecture: Architecture): ModelType {
  const types = Object.keys(ARCHITECTURES) as ModelType[];
  return types.find((type) => ARCHITECTURES[type] === architecture) as ModelType;
}

/** Whether a class of transformers, for a model with this `config.json`, has this kind of head. */
export function hasHead(className: string, kind: HeadKind, { model_type: type }: JsonObject): boolean {
  if (className.endsWith(kind.className)) return true;
  return typeof type === "string" && isModelType(type) && classNameOf(ARCHITECTURES[type], kind) === className;
}

function isModelType(type: string): type is ModelType {
  return Object.hasOwn(ARCHITECTURES, type);
}
