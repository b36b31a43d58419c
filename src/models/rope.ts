// Rotary position embeddings: reading `rope_parameters`, transformers' kinds of RoPE scaling, and cos/sin tables for a batch.
// Shapes: N tokens of all rows, R rotary dimensions of a head.
import { didYouMean } from "../base/index.js";
import { isJsonObject, type JsonObject } from "../base/records/index.js";
import * as torch from "../torch/index.js";
import type { ModelInput } from "./backbone.js";
import { ConfigReader, configError, type LayerType } from "./configReader.js";
import { type RotaryTables, rotaryTables } from "./nn/index.js";

/** A rotary position embedding: the angle of a position is position · frequency. */
export interface Rope extends RopeAngles {
  readonly type: RopeType;
  readonly theta: number;
  /** Its settings in the configuration. */
  readonly settings: JsonObject;
}

/** What all kinds of scaling start from. */
interface RopeBase {
  readonly theta: number;
  /** R */
  readonly size: number;
  readonly maxPositions: number;
}

interface RopeAngles {
  /** Factor on cos and sin. */
  readonly factor: number;
  /** [R / 2] for a sequence of `length` tokens; the same array for lengths with the same frequencies */
  frequencies(length: number): Float32Array;
  /** Longer sequences have other frequencies, from their first token. */
  readonly switchesAfter?: number;
}

/** @throws BidoraError `CONFIG` for a missing or invalid setting */
type Scaling = (read: ConfigReader, base: RopeBase) => RopeAngles;

/** The kinds of RoPE scaling, by `rope_type`. */
const ROPE_SCALINGS = { default: plain, linear, dynamic, llama3, yarn, longrope } as const satisfies Readonly<
  Record<string, Scaling>
>;

type RopeType = keyof typeof ROPE_SCALINGS;

/** A rope for each layer type. */
export type Ropes = Readonly<Record<LayerType, Rope>>;

export const sameRope = (rope: Rope): Ropes => ({ full_attention: rope, sliding_attention: rope });

// Configuration

/** An architecture's defaults for missing keys. */
interface RopeDefaults {
  readonly headSize: number;
  readonly maxPositions: number;
  /** Whether `partial_rotary_factor` is supported: only the first dimensions of a head are rotated. */
  readonly isPartial?: boolean;
  /** Context length of pretraining. */
  readonly originalPositions?: number;
  /** Supported kinds of scaling. Default: all. */
  readonly types?: readonly RopeType[];
}

/**
 * The rope of a model with a single one: `rope_parameters` of transformers 5, or the older `rope_theta` and `rope_scaling`. Keys inside
 * these objects take precedence over top-level keys, except for `original_max_position_embeddings`.
 * @throws BidoraError `CONFIG` for an unsupported kind of scaling or an invalid setting
 */
export function ropeOf(json: JsonObject, defaults: RopeDefaults): Rope {
  const key = isEmpty(json.rope_scaling) ? "rope_parameters" : "rope_scaling";
  const settings = json[key] ?? {};
  if (!isJsonObject(settings)) throw configError(`${key} must be an object, but is ${JSON.stringify(settings)}.`);
  const nested = Object.keys(settings).find((name) => isJsonObject(settings[name]));
  if (nested !== undefined)
    throw configError(`${key}.${nested} is not supported: this model has one rope for all layers.`);
  const beside = {
    rope_theta: json.rope_theta ?? null,
    partial_rotary_factor: json.partial_rotary_factor ?? null,
  };
  const original = json.original_max_position_embeddings ?? defaults.originalPositions;
  const inside = original === undefined ? settings : { ...settings, original_max_position_embeddings: original };
  return ropeFrom({ ...beside, ...inside }, `${key}.`, defaults);
}

/**
 * The rope of one layer type, in models with one for each type.
 * @throws BidoraError `CONFIG` as `ropeOf`
 */
export function ropeOfLayers(settings: JsonObject, path: string, defaults: RopeDefaults): Rope {
  new ConfigReader(settings, path).only("truncate", true); // transformers ignores it here
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

/** The number of rotary dimensions of a head. */
function sizeOf(read: ConfigReader, { headSize, isPartial = false }: RopeDefaults): number {
  if (!isPartial) read.only("partial_rotary_factor", 1);
  const size = Math.floor(headSize * read.probability("partial_rotary_factor", 1));
  if (size % 2 === 0 && size > 0) return size;
  throw configError(`the number of rotary dimensions of a head must be even and positive, but is ${size}.`);
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

// Scaling: frequencies for contexts longer than in pretraining. All arithmetic is float32, step by step in transformers' order, so
// that angles at far positions have the same bits.

function plain(_read: ConfigReader, base: RopeBase): RopeAngles {
  return constant(() => frequencies(base));
}

function linear(read: ConfigReader, base: RopeBase): RopeAngles {
  const factor = fround(read.positive("factor"));
  return constant(() => frequencies(base).map((f) => f / factor));
}

/** NTK scaling: a larger base for each sequence longer than the context. */
function dynamic(read: ConfigReader, base: RopeBase): RopeAngles {
  const { size, theta, maxPositions } = base;
  if (size === 2) throw configError("a dynamic rope needs more than 2 rotary dimensions.");
  const factor = read.positive("factor");
  const of = memoized((length: number) => {
    const stretch = fround(fround(fround(factor * length) / maxPositions) - fround(factor - 1));
    return frequencies({ size, theta: fround(theta * fround(stretch ** (size / (size - 2)))) });
  });
  return { factor: 1, frequencies: (length) => of(Math.max(length, maxPositions)) };
}

/** Long wavelengths are scaled, short ones are not, and those in between are interpolated. */
function llama3(read: ConfigReader, base: RopeBase): RopeAngles {
  const settings = ["factor", "low_freq_factor", "high_freq_factor"].map((key) => fround(read.positive(key)));
  const [factor, low, high] = settings as [number, number, number];
  const original = originalPositions(read, base);
  const stretched = (f: number): number => {
    const wave = fround(fround(1 / f) * fround(2 * Math.PI));
    if (wave > fround(original / low)) return f / factor;
    if (wave < fround(original / high)) return f;
    const smooth = fround(fround(fround(fround(1 / wave) * original) - low) / fround(high - low));
    return fround(fround(fround(1 - smooth) * f) / factor) + fround(smooth * f);
  };
  return constant(() => frequencies(base).map(stretched));
}

/** arXiv 2309.00071 */
function yarn(read: ConfigReader, base: RopeBase): RopeAngles {
  const original = originalPositions(read, base);
  const factor = read.has("factor") ? read.positive("factor") : base.maxPositions / original;
  const [low, high] = yarnRange(read, base, original);
  return constant(
    () => {
      const powers = wavePowers(base);
      const width = fround(high === low ? 0.001 : high - low);
      return powers.map((power, i) => {
        const ramp = Math.min(Math.max(fround(fround(i - fround(low)) / width), 0), 1);
        const kept = fround(1 - ramp);
        const [short, long] = [fround(1 / power), fround(1 / fround(fround(factor) * power))];
        return fround(long * fround(1 - kept)) + fround(short * kept);
      });
    },
    yarnFactor(read, factor),
  );
}

/** The indices of frequencies between which scaling is interpolated. */
function yarnRange(read: ConfigReader, { size, theta }: RopeBase, original: number): [number, number] {
  const at = (rotations: number) => (size * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const ends = [at(read.positive("beta_fast", 32)), at(read.positive("beta_slow", 1))] as const;
  const isWhole = read.flag("truncate", true);
  const [low, high] = isWhole ? [Math.floor(ends[0]), Math.ceil(ends[1])] : ends;
  return [Math.max(low, 0), Math.min(high, size - 1)];
}

function yarnFactor(read: ConfigReader, factor: number): number {
  if (read.has("attention_factor")) return read.positive("attention_factor");
  const [scale, scaleAll] = [read.number("mscale", 0), read.number("mscale_all_dim", 0)];
  const of = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
  return scale && scaleAll ? of(scale) / of(scaleAll) : of(1);
}

/** arXiv 2402.13753: separate factors for sequences within the original context and beyond it. */
function longrope(read: ConfigReader, base: RopeBase): RopeAngles {
  const original = originalPositions(read, base);
  const [short, long] = ["short_factor", "long_factor"].map((key) => {
    const factors = read.positives(key, base.size / 2);
    return memoized(() => wavePowers(base).map((power, i) => 1 / fround(fround(factors[i]!) * power)));
  }) as [() => Float32Array, () => Float32Array];
  return {
    factor: longropeFactor(read, base, original),
    frequencies: (length) => (length > original ? long() : short()),
    switchesAfter: original,
  };
}

function longropeFactor(read: ConfigReader, { maxPositions }: RopeBase, original: number): number {
  if (read.has("attention_factor")) return read.positive("attention_factor");
  const factor = read.has("factor") ? read.positive("factor") : maxPositions / original;
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
}

/** Context length of pretraining. */
function originalPositions(read: ConfigReader, { maxPositions }: RopeBase): number {
  return read.count("original_max_position_embeddings", maxPositions);
}

const { fround } = Math;

/** theta^(2i / R), [R / 2] */
function wavePowers({ theta, size }: Pick<RopeBase, "theta" | "size">): Float32Array {
  const exponents = Float32Array.from({ length: size / 2 }, (_, i) => (2 * i) / size);
  const powers = torch.noGrad(() => torch.scope(() => torch.powOf(theta, torch.tensor(exponents)).toTypedArray()));
  return powers as Float32Array;
}

function frequencies(base: Pick<RopeBase, "theta" | "size">): Float32Array {
  return wavePowers(base).map((power) => 1 / power);
}

/** The same frequencies for every length. */
function constant(make: () => Float32Array, factor = 1): RopeAngles {
  return { factor, frequencies: memoized(make) };
}

/** Memoizes a function of one argument. */
function memoized<Key extends number | undefined>(
  make: (key: Key) => Float32Array,
): (key?: Key | number) => Float32Array {
  const made = new Map<unknown, Float32Array>();
  return (key) => {
    const known = make.length === 0 ? undefined : key;
    const value = made.get(known) ?? make(key as Key);
    made.set(known, value);
    return value;
  };
}

// Tables

/** cos/sin tables for each layer type; computed once if the types share a rope. */
export function ropeTables(
  ropes: Ropes,
  input: ModelInput,
  dtype: torch.DType,
): Readonly<Record<LayerType, RotaryTables>> {
  const full = tablesOf(ropes.full_attention, input, dtype);
  const isShared = ropes.sliding_attention === ropes.full_attention;
  return { full_attention: full, sliding_attention: isShared ? full : tablesOf(ropes.sliding_attention, input, dtype) };
}

function tablesOf(rope: Rope, { positionIds, layout, cache, shared }: ModelInput, dtype: torch.DType): RotaryTables {
  const { lengths: own } = shared?.layout ?? layout;
  const lengths = own.map((length, row) => length + (cache?.lengths[row] ?? 0));
  const byRow = lengths.map((length) => rope.frequencies(length));
  return torch.noGrad(() =>
    rotaryTables(positionIds, frequenciesOf(byRow, layout.lengths, positionIds.device), rope.factor, dtype),
  );
}

/** [R / 2] if all rows have the same frequencies, else [N, R / 2]. */
function frequenciesOf(byRow: readonly Float32Array[], lengths: readonly number[], device: string): torch.Tensor {
  const [first] = byRow as [Float32Array];
  const tensor = (frequencies: Float32Array) => torch.tensor(frequencies, undefined, "float32", device);
  if (byRow.every((frequencies) => frequencies === first)) return tensor(first);
  const parts = byRow.map((frequencies, row) => torch.expand(tensor(frequencies), [lengths[row]!, -1]));
  return torch.cat(parts, 0);
}
