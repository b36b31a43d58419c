import {
  aList,
  aName,
  aNumber,
  anObject,
  aSwitch,
  type Check,
  having,
  oneOf,
  optional,
  options,
  own,
  takes,
} from "../../base/index.js";
import { group } from "../../base/settings/index.js";

/** Declares the settings of the adapter methods. */
export const methodOption = group("Method");

const BIASES = ["none", "adapted", "all"] as const;

/** Settings that every adapter has. */
export interface AdapterConfig {
  /** Its name in the registry. */
  readonly method: string;
  /** Biases of the model that are trained too: none, those of adapted layers, or all. */
  readonly bias: (typeof BIASES)[number];
  /** Whether the model's norms are trained too; false by default. */
  readonly trainsNorms?: boolean;
  /** Modules that are fully trained and saved: the head, and newly initialized layers (PEFT's `modules_to_save`). */
  readonly modulesToSave: readonly string[];
}

/** The modules that get an adapter: names or ends of paths, a regular expression for the whole path, or `all-linear`. */
export type TargetModules = readonly string[] | string;

/** Values by module: keys are regular expressions for the end of a path; the first match wins. */
export type Pattern = Readonly<Record<string, number>>;

/** Settings of an adapter that is added to layers; names and meanings are PEFT's. */
export interface TargetedConfig extends AdapterConfig {
  readonly targetModules: TargetModules;
  readonly excludeModules: TargetModules | undefined;
  readonly layersToTransform: readonly number[] | undefined;
  readonly layersPattern: readonly string[] | undefined;
}

/** Every linear layer gets an adapter, and no parameter of the model itself is trained. */
export const TARGET_DEFAULTS: Omit<TargetedConfig, "method"> = {
  targetModules: "all-linear",
  excludeModules: undefined,
  layersToTransform: undefined,
  layersPattern: undefined,
  bias: "none",
  modulesToSave: [],
};

/** Checks of the arguments of functions about adapters. */

export const aModule = having("a model, as loadModel gives it", "namedParameters");
export const anAdapted = having("what inject or attachAdapter gives", "model", "modules", "trained");
export const aMerged = having("an adapted module, as inject gives them", "adapter", "layer");
export const aConfig = having("settings of an adapter, as loraConfig gives them", "method");
export const aTargetedConfig = having("settings of an adapter, as loraConfig gives them", "method", "targetModules");
export const aSavedAdapter = having("an adapter, as readAdapter gives it", "config", "tensors");
/** Checks options with a generator, which initializes tensors that a file does not have. */
export const WITH_GENERATOR = having("an object with a generator", "generator");

const TARGETS = takes("a list of names, a regular expression, or all-linear", (value) =>
  Array.isArray(value) ? value.every((name) => typeof name === "string") : typeof value === "string",
);
/** Checks of settings whose defaults do not show their type, and of settings with a choice of words. */
const DECLARED: Readonly<Record<string, Check>> = {
  targetModules: TARGETS,
  excludeModules: TARGETS,
  layersToTransform: aList,
  layersPattern: aList,
  trainsNorms: aSwitch,
  method: aName,
  bias: oneOf(BIASES),
};

/** Checks settings by the names and types of their defaults. @param words checks of a method's settings with a choice of words */
export function configOptions(defaults: object, words: Readonly<Record<string, Check>> = {}): Check {
  const alike = Object.fromEntries(Object.entries(defaults).map(([key, value]) => [key, likeDefault(value)]));
  const checks = Object.entries({ ...alike, ...DECLARED, ...words });
  return options(Object.fromEntries(checks.map(([key, check]) => [key, optional(check)])));
}

const BY_TYPE: Readonly<Record<string, Check>> = { string: aName, number: aNumber, boolean: aSwitch };

const likeDefault = (value: unknown): Check =>
  Array.isArray(value) ? aList : (own(BY_TYPE, typeof value) ?? anObject);
