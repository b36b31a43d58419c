/** What the calls about adapters take. */
import { type Check, having, isObject, optional, options, takes } from "../common/arguments.js";

export const aModule = having("a model, as loadModel gives it", "namedParameters");
export const anAdapted = having("what inject or attachAdapter gives", "model", "modules", "trained");
export const aMerged = having("an adapted module, as inject gives them", "adapter", "layer");
export const aConfig = having("settings of an adapter, as loraConfig gives them", "method");
export const aTargetedConfig = having("settings of an adapter, as loraConfig gives them", "method", "targetModules");
export const aSavedAdapter = having("an adapter, as readAdapter gives it", "config", "tensors");
/** Options that draw what a file does not have. */
export const WITH_GENERATOR = having("an object with a generator", "generator");

const NAMES: Readonly<Record<string, string>> = { string: "a text", number: "a number", boolean: "true or false" };
const A_LIST = takes("a list", Array.isArray);
const TARGETS = takes("a list of names, a regular expression, or all-linear", (value) =>
  Array.isArray(value) ? value.every((name) => typeof name === "string") : typeof value === "string",
);
/** Settings that have no default to go by. */
const OPEN: Readonly<Record<string, Check>> = {
  targetModules: TARGETS,
  excludeModules: TARGETS,
  layersToTransform: A_LIST,
  layersPattern: A_LIST,
  trainsNorms: likeDefault(true),
  method: likeDefault(""),
};

/** Settings with the names and the types of their defaults. */
export const configOptions = (defaults: object): Check =>
  options(
    Object.fromEntries(
      [...Object.entries(defaults), ...Object.entries(OPEN)].map(([key, value]) => [
        key,
        optional(OPEN[key] ?? likeDefault(value)),
      ]),
    ),
  );

function likeDefault(value: unknown): Check {
  if (Array.isArray(value)) return A_LIST;
  if (isObject(value)) return takes("an object", isObject);
  const type = typeof value;
  return takes(NAMES[type] ?? type, (given) => typeof given === type && !Number.isNaN(given));
}
