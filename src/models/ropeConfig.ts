import { didYouMean } from "../common/messages.js";
import { isJsonObject, type JsonObject } from "../files/json.js";
import { ConfigReader, configError } from "./configReader.js";
import { ROPE_SCALINGS, type Rope, type RopeType } from "./ropeScalings.js";

/** What an architecture says where its configuration does not. */
export interface RopeDefaults {
  readonly headSize: number;
  readonly maxPositions: number;
  /** Whether it may be that only the first numbers of a head are turned: `partial_rotary_factor`. */
  readonly isPartial?: boolean;
  /** Positions of the first training. */
  readonly originalPositions?: number;
  /** The types that it can have. Default: all. */
  readonly types?: readonly RopeType[];
}

/**
 * The one rope of a `config.json`, in transformers 5's spelling (`rope_parameters`) or the older one (`rope_theta`, `rope_scaling`).
 * What stands in those counts before what stands beside them, but for `original_max_position_embeddings`.
 * @throws BidoraError `CONFIG` for a rope type that is not supported, and for settings of the wrong kind
 */
export function ropeOf(json: JsonObject, defaults: RopeDefaults): Rope {
  const key = isEmpty(json.rope_scaling) ? "rope_parameters" : "rope_scaling";
  const settings = json[key] ?? {};
  if (!isJsonObject(settings)) throw configError(`${key} must be an object, but is ${JSON.stringify(settings)}.`);
  const nested = Object.keys(settings).find((name) => isJsonObject(settings[name]));
  if (nested !== undefined)
    throw configError(`${key}.${nested} is not supported: this model has one rope for all its layers.`);
  const beside = {
    rope_theta: json.rope_theta ?? null,
    partial_rotary_factor: json.partial_rotary_factor ?? null,
  };
  const original = json.original_max_position_embeddings ?? defaults.originalPositions;
  const inside = original === undefined ? settings : { ...settings, original_max_position_embeddings: original };
  return ropeFrom({ ...beside, ...inside }, `${key}.`, defaults);
}

/**
 * The rope of one kind of layers, of a model where kinds have their own.
 * @throws BidoraError `CONFIG` as `ropeOf`
 */
export function ropeOfLayers(settings: JsonObject, path: string, defaults: RopeDefaults): Rope {
  new ConfigReader(settings, path).only("truncate", true); // transformers looks for it elsewhere
  return ropeFrom(settings, path, defaults);
}

const isEmpty = (value: unknown): boolean =>
  (value ?? null) === null || (isJsonObject(value) && Object.keys(value).length === 0);

function ropeFrom(settings: JsonObject, path: string, defaults: RopeDefaults): Rope {
  const read = new ConfigReader(settings, path);
  const { maxPositions } = defaults;
  const size = sizeOf(read, defaults);
  const theta = read.positive("rope_theta", 10000);
  const type = typeOf(settings, path, defaults.types);
  return { type, theta, settings, ...ROPE_SCALINGS[type](read, { size, maxPositions, theta }) };
}

/** How many numbers of a head are turned. */
function sizeOf(read: ConfigReader, { headSize, isPartial = false }: RopeDefaults): number {
  if (!isPartial) read.only("partial_rotary_factor", 1);
  const size = Math.floor(headSize * read.probability("partial_rotary_factor", 1));
  if (size % 2 === 0 && size > 0) return size;
  throw configError(`the numbers of a head that are turned by its position must be even and more than 0, not ${size}.`);
}

const ALL = Object.keys(ROPE_SCALINGS) as RopeType[];

function typeOf(settings: JsonObject, path: string, types: readonly RopeType[] = ALL): RopeType {
  new ConfigReader(settings, path).absent("mrope_section");
  const type = settings.rope_type ?? settings.type ?? "default";
  const found = types.find((known) => known === type);
  if (found) return found;
  const hint = typeof type === "string" ? didYouMean(type, types) : "";
  throw configError(
    `${path}rope_type ${JSON.stringify(type)} is not supported; supported are ${types.join(", ")}.${hint}`,
  );
}
