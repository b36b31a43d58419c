import { checkArguments, oneOf } from "../common/arguments.js";
import { aConfig } from "./arguments.js";
import type { AdapterConfig } from "./config.js";
import type { AdapterMethod } from "./method.js";
import { adalora } from "./methods/adalora.js";
import { adapter } from "./methods/adapter.js";
import { bitfit } from "./methods/bitfit.js";
import { dora } from "./methods/dora.js";
import { lora } from "./methods/lora.js";
import { vera } from "./methods/vera.js";

/** Every adapter method by name. */
export const ADAPTER_METHODS = {
  bitfit,
  adapter,
  lora,
  vera,
  adalora,
  dora,
} satisfies Readonly<Record<string, AdapterMethod>>;

/** The name of an adapter method of the table. */
export type AdapterMethodName = keyof typeof ADAPTER_METHODS;

const KNOWN = oneOf(Object.keys(ADAPTER_METHODS));

/** The method that settings are of. @throws UsageError for settings of a method of one's own */
export function methodOf(config: AdapterConfig): AdapterMethod {
  checkArguments("methodOf", ["config", config, aConfig], ["config.method", config?.method, KNOWN]);
  return ADAPTER_METHODS[config.method as AdapterMethodName];
}
