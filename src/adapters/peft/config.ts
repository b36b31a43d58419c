import * as z from "zod";
import { BidoraError } from "../../common/errors.js";
import { exactPattern } from "../../common/patterns.js";
import { wholeRecord } from "../../common/wholeRecord.js";
import type { JsonObject, JsonValue } from "../../io/json.js";
import { type InjectedConfig, type LowRankConfig, matchingKeys, type Pattern, rankAndScale } from "../config.js";
import { PEFT_DEFAULTS, PEFT_VERSION } from "./defaults.js";
import { refuseUnsupported } from "./refusals.js";

/** What an adapter_config.json says beside the adapter's own settings. */
export interface AdapterOrigin {
  /** `SEQ_CLS`, `TOKEN_CLS`, `CAUSAL_LM`, …; undefined where the file does not say. */
  readonly taskType: string | undefined;
  /** The base model's folder or repository. */
  readonly baseModel: string | undefined;
  readonly revision: string | undefined;
}

export interface PeftConfig extends AdapterOrigin {
  readonly config: InjectedConfig;
  /** The file has no target_modules: the adapter goes to the modules that its tensors are named after. */
  readonly targetsFromTensors: boolean;
}

const list = z.array(z.string());
const layers = z.union([z.array(z.int()), z.int().transform((layer) => [layer])]);
const pattern = (value: z.ZodNumber) =>
  wholeRecord(z.record(z.string(), value).nullable()).transform((record) => record ?? {});

const schema = z.object({
  task_type: z.string().nullable(),
  base_model_name_or_path: z.string().nullable(),
  revision: z.string().nullable(),
  r: z.int().min(1),
  lora_alpha: z.number(),
  lora_dropout: z.number().min(0).lt(1),
  use_rslora: z.boolean(),
  use_dora: z.boolean(),
  lora_bias: z.boolean(),
  bias: z.enum(["none", "lora_only", "all"]),
  target_modules: z.union([list, z.string()]).nullable(),
  exclude_modules: z.union([list, z.string()]).nullable(),
  modules_to_save: list.nullable(),
  layers_to_transform: layers.nullable(),
  layers_pattern: z.union([list, z.string().transform((name) => [name])]).nullable(),
  rank_pattern: pattern(z.int().min(1)),
  alpha_pattern: pattern(z.number()),
});

/**
 * Reads the keys of an adapter_config.json; absent ones have PEFT's defaults, unknown ones are passed over.
 * @param file names it in errors
 * @throws BidoraError `ADAPTER_CONFIG` for what is malformed or not supported
 */
export function parsePeftConfig(file: string, json: JsonObject): PeftConfig {
  const filled = { ...PEFT_DEFAULTS, ...json };
  refuseUnsupported(file, filled);
  const parsed = schema.safeParse(filled);
  if (!parsed.success) throw malformed(file, parsed.error, filled);
  const { data } = parsed;
  const shared: LowRankConfig = {
    rank: data.r,
    alpha: data.lora_alpha,
    rslora: data.use_rslora,
    dropout: data.lora_dropout,
    targetModules: data.target_modules ?? [],
    excludeModules: data.exclude_modules?.length ? data.exclude_modules : undefined,
    layersToTransform: data.layers_to_transform ?? undefined,
    layersPattern: data.layers_pattern ?? undefined,
    rankPattern: data.rank_pattern,
    alphaPattern: data.alpha_pattern,
    bias: data.bias,
    loraBias: data.lora_bias,
    modulesToSave: data.modules_to_save ?? [],
  };
  return {
    config: data.use_dora
      ? { ...shared, method: "dora", axis: "out", normGradient: "detached" }
      : { ...shared, method: "lora" },
    targetsFromTensors: data.target_modules === null,
    taskType: data.task_type ?? undefined,
    baseModel: data.base_model_name_or_path || undefined,
    revision: data.revision ?? undefined,
  };
}

function malformed(file: string, error: z.ZodError, json: JsonObject): BidoraError {
  const issue = error.issues[0];
  const key = String(issue?.path[0]);
  return new BidoraError("ADAPTER_CONFIG", `${file}: ${key} is ${JSON.stringify(json[key])}: ${issue?.message}.`);
}

/**
 * The text of an adapter_config.json, with PEFT's keys in PEFT's order.
 * @param paths of the modules that have an adapter
 */
export function renderPeftConfig(config: InjectedConfig, origin: AdapterOrigin, paths: readonly string[]): string {
  const ranks = unambiguous(config.rankPattern, paths, (path) => rankAndScale(config, path).rank);
  const alphas = unambiguous(config.alphaPattern, paths, (path) => rankAndScale(config, path).alpha);
  const json: Record<string, JsonValue> = {
    ...PEFT_DEFAULTS,
    peft_type: "LORA",
    peft_version: PEFT_VERSION,
    inference_mode: true,
    task_type: origin.taskType ?? null,
    base_model_name_or_path: origin.baseModel ?? null,
    revision: origin.revision ?? null,
    r: config.rank,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    use_rslora: config.rslora,
    use_dora: config.method === "dora",
    lora_bias: config.loraBias,
    bias: config.bias,
    target_modules: config.targetModules,
    exclude_modules: config.excludeModules ?? null,
    modules_to_save: config.modulesToSave.length > 0 ? config.modulesToSave : null,
    layers_to_transform: config.layersToTransform ?? null,
    layers_pattern: config.layersPattern ?? null,
    rank_pattern: ranks,
    alpha_pattern: alphas,
  };
  return `${JSON.stringify(json, withSortedKeys, 2)}\n`;
}

/**
 * The pattern itself, or, where two of its keys match one module, one key a module. PEFT sorts keys when it saves and takes the
 * first that matches, so the order of overlapping ones would not last.
 */
function unambiguous(pattern: Pattern, paths: readonly string[], resolve: (path: string) => number): Pattern {
  if (paths.every((path) => matchingKeys(pattern, path).length <= 1)) return pattern;
  const matched = paths.filter((path) => matchingKeys(pattern, path).length > 0);
  return Object.fromEntries(matched.map((path) => [exactPattern(path), resolve(path)]));
}

function withSortedKeys(_key: string, value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
