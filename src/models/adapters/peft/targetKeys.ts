import * as z from "zod";
import { BidoraError, firstFault } from "../../../base/index.js";
import type { JsonObject, JsonValue } from "../../../base/records/index.js";
import type { TargetedConfig } from "../adapterConfig.js";

const list = z.array(z.string());
const layers = z.union([z.array(z.int()), z.int().transform((layer) => [layer])]);

/** The keys of PEFT's configurations that select the adapted modules and the other trained parameters. */
export const targetKeys = z.object({
  bias: z.string(),
  target_modules: z.union([list, z.string()]).nullable(),
  exclude_modules: z.union([list, z.string()]).nullable(),
  modules_to_save: list.nullable(),
  layers_to_transform: layers.nullable(),
  layers_pattern: z.union([list, z.string().transform((name) => [name])]).nullable(),
});

export const TARGET_KEY_DEFAULTS: JsonObject = {
  bias: "none",
  exclude_modules: null,
  layers_pattern: null,
  layers_to_transform: null,
  modules_to_save: null,
  target_modules: null,
};

type Targets = Omit<TargetedConfig, "method">;

/** One of a method's settings in adapter_config.json: its key, PEFT's default and the check of its value. */
type PeftKey = readonly [key: string, otherwise: JsonValue, type: z.ZodType];

type SettingsOf<Keys extends Readonly<Record<string, PeftKey>>> = { [Name in keyof Keys]: z.infer<Keys[Name][2]> };

/**
 * The keys of a method that adapts modules: those that select modules, and those of its own settings, by the settings' names.
 * @param adaptedOnly the type's value of `bias` for adapted layers only, such as `lora_only`
 */
export function peftKeys<const Keys extends Readonly<Record<string, PeftKey>>>(adaptedOnly: string, own: Keys) {
  const entries = Object.entries(own);
  const bias = z.enum(["none", adaptedOnly, "all"]);
  const types = Object.fromEntries(entries.map(([, [key, , type]]) => [key, type]));
  const schema = targetKeys.extend({ ...types, bias });
  return {
    defaults: Object.fromEntries(entries.map(([, [key, otherwise]]) => [key, otherwise])) as JsonObject,
    /** @throws BidoraError `ADAPTER_CONFIG` naming the first invalid key */
    parse(file: string, json: JsonObject): Targets & SettingsOf<Keys> {
      const data = checkedKeys(file, schema, json);
      const settings = Object.fromEntries(entries.map(([name, [key]]) => [name, (data as JsonObject)[key]]));
      return { ...parseTargetKeys(data, adaptedOnly), ...(settings as SettingsOf<Keys>) };
    },
    render(config: Targets & SettingsOf<Keys>): JsonObject {
      const settings = entries.map(([name, [key]]) => [key, config[name as keyof Keys] as JsonValue]);
      return { ...renderTargetKeys(config, adaptedOnly), ...Object.fromEntries(settings) };
    },
  };
}

/** @param adaptedOnly the type's value of `bias` for adapted layers only, such as `lora_only` */
function parseTargetKeys(data: z.infer<typeof targetKeys>, adaptedOnly: string): Targets {
  return {
    targetModules: data.target_modules ?? [],
    excludeModules: data.exclude_modules?.length ? data.exclude_modules : undefined,
    layersToTransform: data.layers_to_transform ?? undefined,
    layersPattern: data.layers_pattern ?? undefined,
    bias: data.bias === adaptedOnly ? "adapted" : (data.bias as "none" | "all"),
    modulesToSave: data.modules_to_save ?? [],
  };
}

function renderTargetKeys(config: Targets, adaptedOnly: string): JsonObject {
  return {
    bias: config.bias === "adapted" ? adaptedOnly : config.bias,
    target_modules: asJson(config.targetModules),
    exclude_modules: config.excludeModules === undefined ? null : asJson(config.excludeModules),
    modules_to_save: config.modulesToSave.length > 0 ? [...config.modulesToSave] : null,
    layers_to_transform: config.layersToTransform ? [...config.layersToTransform] : null,
    layers_pattern: config.layersPattern ? [...config.layersPattern] : null,
  };
}

export const asJson = (targets: readonly string[] | string): string | string[] =>
  typeof targets === "string" ? targets : [...targets];

/** Validates the keys of a configuration. @throws BidoraError `ADAPTER_CONFIG` naming the first invalid key */
export function checkedKeys<T>(file: string, schema: z.ZodType<T>, json: JsonObject): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const key = String(parsed.error.issues[0]?.path[0]);
  const { what } = firstFault(parsed.error.issues, key);
  const value = json[key];
  const found = value === undefined ? key : `${key} is ${JSON.stringify(value)}`;
  throw new BidoraError("ADAPTER_CONFIG", `${file}: ${found}: ${what}.`);
}

/** The reason that the keys for layers are invalid; undefined if they are valid. */
export function refusedLayers(json: JsonObject): string | undefined {
  const { target_modules: targets, layers_to_transform: layers, layers_pattern: pattern } = json;
  if (typeof targets === "string" && isOn(layers ?? pattern)) {
    return "layers_to_transform and layers_pattern go with a list of target_modules only, not with a pattern";
  }
  if (isOn(pattern) && !isOn(layers)) return "layers_pattern needs layers_to_transform";
  return undefined;
}

/** Whether the value of a key enables something. */
export function isOn(value: unknown): boolean {
  return value !== null && value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}
