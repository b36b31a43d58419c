import { didYouMean } from "../common/nearest.js";
import { own } from "../common/own.js";
import { isJsonObject, type JsonObject } from "../io/json.js";
import { ConfigReader, configError } from "./configReader.js";
import { ROPE_SCALINGS, type Rope, type RopeBase } from "./ropeScalings.js";

/** What an architecture says where its configuration does not. */
export interface RopeDefaults {
  /** Numbers of a head that are turned. */
  readonly size: number;
  readonly maxPositions: number;
  readonly theta?: number | undefined;
}

/** Whether a kind of layers has a rope of its own. */
export function hasOwnRope(json: JsonObject, layerType: string): boolean {
  const all = json.rope_scaling ?? json.rope_parameters;
  return isJsonObject(all) && isJsonObject(all[layerType]);
}

/**
 * The rope of a `config.json`, in transformers 5's spelling (`rope_parameters`, perhaps one for each kind of layer) or the older one
 * (`rope_theta`, `rope_scaling`).
 * @param layerType whose rope it is, where kinds of layers have their own
 * @throws BidoraError `CONFIG` for a rope type that is not supported, and for settings of the wrong kind
 */
export function ropeOf(
  json: JsonObject,
  { size, maxPositions, theta = 10000 }: RopeDefaults,
  layerType?: string,
): Rope {
  if (size % 2 !== 0) throw configError(`the ${size} numbers of a head that are turned by its position must be even.`);
  const key = isJsonObject(json.rope_scaling) ? "rope_scaling" : "rope_parameters";
  const all = json[key] ?? {};
  if (!isJsonObject(all)) throw configError(`${key} must be an object, but is ${JSON.stringify(all)}.`);
  const ofLayer = layerType === undefined ? undefined : all[layerType];
  const [settings, path] = isJsonObject(ofLayer) ? [ofLayer, `${key}.${layerType}.`] : [all, `${key}.`];
  const base: RopeBase = {
    size,
    maxPositions,
    theta: new ConfigReader(settings, path).positive(
      "rope_theta",
      new ConfigReader(json).positive("rope_theta", theta),
    ),
    originalPositions: new ConfigReader(json).optionalCount("original_max_position_embeddings"),
  };
  return scalingOf(settings, path)(new ConfigReader(settings, path), base);
}

function scalingOf(settings: JsonObject, path: string) {
  const type = settings.rope_type ?? settings.type ?? "default";
  const found = typeof type === "string" ? own(ROPE_SCALINGS, type) : undefined;
  const reader = new ConfigReader(settings, path);
  reader.absent("mrope_section");
  if (found) return found;
  const known = Object.keys(ROPE_SCALINGS);
  const hint = typeof type === "string" ? didYouMean(type, known) : "";
  throw configError(
    `${path}rope_type ${JSON.stringify(type)} is not supported; supported are ${known.join(", ")}.${hint}`,
  );
}
