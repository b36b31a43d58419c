import { checkArguments, oneOf } from "../../base/index.js";
import type { Values } from "../../base/settings/index.js";
import { type AdapterConfig, aConfig } from "./adapterConfig.js";
import type { AdapterMethod } from "./method.js";
import { adalora } from "./methods/adalora.js";
import { adapter } from "./methods/adapter.js";
import { bitfit } from "./methods/bitfit.js";
import { delora } from "./methods/delora.js";
import { dora } from "./methods/dora.js";
import { hira } from "./methods/hira.js";
import { ia3 } from "./methods/ia3.js";
import { lora } from "./methods/lora.js";
import { miss } from "./methods/miss.js";
import { oft } from "./methods/oft.js";
import { prediag } from "./methods/prediag.js";
import { vera } from "./methods/vera.js";

/** Every adapter method by name. */
export const ADAPTER_METHODS = {
  bitfit,
  adapter,
  ia3,
  lora,
  vera,
  adalora,
  oft,
  prediag,
  dora,
  miss,
  delora,
  hira,
} satisfies Readonly<Record<string, AdapterMethod>>;

type Intersection<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;

/** The options of all methods together. */
type MethodOptions = Intersection<(typeof ADAPTER_METHODS)[AdapterMethodName]["options"]>;

/** The options of all methods together, those of DoRA first: it is what BiDoRA trains. */
export const adapterOptions = Object.assign(
  {},
  ...[ADAPTER_METHODS.dora, ...Object.values(ADAPTER_METHODS)].map(({ options }) => options),
) as MethodOptions;

/** The name of an adapter method of the table. */
export type AdapterMethodName = keyof typeof ADAPTER_METHODS;

const KNOWN = oneOf(Object.keys(ADAPTER_METHODS));

/** The settings of a run that trains such an adapter. */
export const settingsOfAdapter = (config: AdapterConfig): Partial<Values<MethodOptions>> =>
  methodOf(config).toSettings(config);

/** The method of an adapter's settings. @throws UsageError for a custom method */
export function methodOf(config: AdapterConfig): AdapterMethod {
  checkArguments("methodOf", ["config", config, aConfig], ["config.method", config?.method, KNOWN]);
  return ADAPTER_METHODS[config.method as AdapterMethodName];
}
