import * as z from "zod";
import { BidoraError } from "../../../base/index.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../base/records/index.js";
import type { AdapterConfig } from "../adapterConfig.js";
import { ADAPTER_METHODS, methodOf } from "../adapterMethods.js";
import type { AdapterMethod } from "../method.js";
import { LOFTQ } from "./loraKeys.js";
import { checkedKeys } from "./targetKeys.js";

/** The version of PEFT that defines these keys; written as `peft_version`. */
const PEFT_VERSION = "0.21.2";

/** The part of adapter_config.json that describes the base model and the task. */
export interface AdapterOrigin {
  /** `SEQ_CLS`, `TOKEN_CLS`, `CAUSAL_LM`, …; undefined if the file has none. */
  readonly taskType: string | undefined;
  /** The base model's folder or repository. */
  readonly baseModel: string | undefined;
  readonly revision: string | undefined;
  /** Whether the base model stores adapted weights as [in, out]. PEFT calls it `fan_in_fan_out`, and corrects it when it loads. */
  readonly adaptsTransposed?: boolean | undefined;
  /** PEFT's `loftq_config`, if LoftQ started the adapter there: the adapter fits the base that LoftQ quantized, not the original one. */
  readonly loftqConfig?: JsonObject | undefined;
}

export interface PeftConfig extends AdapterOrigin {
  readonly config: AdapterConfig;
  /** The file has no target_modules: the names of the adapter's tensors say which modules have an adapter. */
  readonly targetsFromTensors: boolean;
}

/** The keys of every type, with their defaults. */
const ORIGIN_DEFAULTS: JsonObject = {
  auto_mapping: null,
  base_model_name_or_path: null,
  inference_mode: false,
  peft_type: null,
  peft_version: null,
  revision: null,
  task_type: null,
};

const originKeys = z.object({
  task_type: z.string().nullable(),
  base_model_name_or_path: z.string().nullable(),
  revision: z.string().nullable(),
  fan_in_fan_out: z.boolean().nullable().default(false),
  init_lora_weights: z.unknown().optional(),
  loftq_config: z.custom<JsonObject>(isJsonObject).nullable().default({}),
});

/**
 * Reads the keys of an adapter_config.json; missing keys have PEFT's defaults, unknown keys are ignored.
 * @param file names it in errors
 * @param metadata the contents of bidora.json
 * @throws BidoraError `ADAPTER_CONFIG` for a malformed or unsupported configuration
 */
export function parsePeftConfig(file: string, json: JsonObject, metadata: object = {}): PeftConfig {
  const { codec } = methodFor(file, json);
  const filled = { ...ORIGIN_DEFAULTS, ...codec.defaults, ...json };
  const config = codec.parse(file, filled, metadata as JsonObject);
  const origin = checkedKeys(file, originKeys, filled);
  return {
    config,
    targetsFromTensors: filled.target_modules === null,
    taskType: origin.task_type ?? undefined,
    baseModel: origin.base_model_name_or_path || undefined,
    revision: origin.revision ?? undefined,
    adaptsTransposed: origin.fan_in_fan_out || undefined,
    loftqConfig: origin.init_lora_weights === LOFTQ ? (origin.loftq_config ?? {}) : undefined,
  };
}

function methodFor(file: string, json: JsonObject): AdapterMethod {
  const methods: readonly AdapterMethod[] = Object.values(ADAPTER_METHODS);
  const { peft_type: type } = json;
  const found = methods.find(({ codec }) => codec.peftType === type && (codec.isOwn?.(json) ?? true));
  if (found) return found;
  const known = [...new Set(methods.map(({ codec }) => `"${codec.peftType}"`))].join(", ");
  const what = (type ?? null) === null ? "it has no peft_type" : `peft_type is ${JSON.stringify(type)}`;
  throw new BidoraError("ADAPTER_CONFIG", `${file}: ${what}; known are ${known}.`);
}

/**
 * The text of an adapter_config.json, with PEFT's keys in PEFT's order.
 * @param paths of the modules that have an adapter
 */
export function renderPeftConfig(config: AdapterConfig, origin: AdapterOrigin, paths: readonly string[]): string {
  const { codec } = methodOf(config);
  const json: JsonObject = {
    ...ORIGIN_DEFAULTS,
    ...codec.defaults,
    peft_type: codec.peftType,
    peft_version: PEFT_VERSION,
    inference_mode: true,
    task_type: origin.taskType ?? null,
    base_model_name_or_path: origin.baseModel ?? null,
    revision: origin.revision ?? null,
    ...("fan_in_fan_out" in codec.defaults && { fan_in_fan_out: origin.adaptsTransposed ?? false }),
    ...codec.render(config, paths),
    ...(origin.loftqConfig && { init_lora_weights: LOFTQ, loftq_config: origin.loftqConfig }),
  };
  return `${JSON.stringify(json, withSortedKeys, 2)}\n`;
}

function withSortedKeys(_key: string, value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
