// Rotary position embeddings: reading `rope_parameters`, transformers' kinds of RoPE scaling, and cos/sin tables for a batch.
// Shapes: N tokens of all rows, R rotary dimensions of a head.
import { didYouMean } from "../common/messages.js";
import { isJsonObject, type JsonObject } from "../files/json.js";
import { type RotaryTables, rotaryTables } from "../nn/index.js";
import * as torch from "../torch/index.js";
import type { ModelInput } from "./backbone.js";
import { ConfigReader, configError, type LayerType } from "./configReader.js";

/** Angles of positions: position · frequency. */
export interface Rope extends RopeAngles {
  readonly type: RopeType;
  readonly theta: number;
  /** What the configuration says of it. */
  readonly settings: JsonObject;
}

/** What a rope type starts from. */
interface RopeBase {
  readonly theta: number;
  /** R */
  readonly size: number;
  readonly maxPositions: number;
}

interface RopeAngles {
  /** What cos and sin are multiplied by. */
  readonly factor: number;
  /** [R / 2], of a sequence of `length` tokens: the same array for lengths that have the same frequencies */
  frequencies(length: number): Float32Array;
  /** Sequences of more tokens have other frequencies, from their first token on. */
  readonly switchesAfter?: number;
}

/** @throws BidoraError `CONFIG` for a setting that is missing or of the wrong kind */
type Scaling = (read: ConfigReader, base: RopeBase) => RopeAngles;

/** By transformers' `rope_type`. */
const ROPE_SCALINGS = { default: plain, linear, dynamic, llama3, yarn, longrope } as const satisfies Readonly<
  Record<string, Scaling>
>;

type RopeType = keyof typeof ROPE_SCALINGS;

/** A rope for each kind of layers. */
export type Ropes = Readonly<Record<LayerType, Rope>>;

export const sameRope = (rope: Rope): Ropes => ({ full_attention: rope, sliding_attention: rope });

// Configuration

/** What an architecture says where its configuration does not. */
interface RopeDefaults {
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

// Scaling: frequencies for contexts longer than in pretraining. All arithmetic is float32, step by step in transformers' order, so
// that angles at far positions have the same bits.

function plain(_read: ConfigReader, base: RopeBase): RopeAngles {
  return constant(() => frequencies(base));
}

function linear(read: ConfigReader, base: RopeBase): RopeAngles {
  const factor = fround(read.positive("factor"));
  return constant(() => frequencies(base).map((f) => f / factor));
}

/** A larger base for each sequence that is longer than the context (NTK). */
function dynamic(read: ConfigReader, base: RopeBase): RopeAngles {
  const { size, theta, maxPositions } = base;
  if (size === 2) throw configError("a dynamic rope turns more than 2 numbers of a head, but there are no more.");
  const factor = read.positive("factor");
  const of = remembered((length: number) => {
    const stretch = fround(fround(fround(factor * length) / maxPositions) - fround(factor - 1));
    return frequencies({ size, theta: fround(theta * fround(stretch ** (size / (size - 2)))) });
  });
  return { factor: 1, frequencies: (length) => of(Math.max(length, maxPositions)) };
}

/** Long waves are stretched, short ones are not, and those between a little. */
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

/** Where waves begin to be stretched, and where they are stretched whole: indices of frequencies. */
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

/** arXiv 2402.13753: two sets of factors, for sequences within the first context and beyond it. */
function longrope(read: ConfigReader, base: RopeBase): RopeAngles {
  const original = originalPositions(read, base);
  const [short, long] = ["short_factor", "long_factor"].map((key) => {
    const factors = read.positives(key, base.size / 2);
    return remembered(() => wavePowers(base).map((power, i) => 1 / fround(fround(factors[i] as number) * power)));
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

/** Positions of the first training. */
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

/** The same for every length. */
function constant(make: () => Float32Array, factor = 1): RopeAngles {
  return { factor, frequencies: remembered(make) };
}

/** Makes what it gives once for each argument. */
function remembered<Key extends number | undefined>(
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

/** The tables of each kind of layer, made once where kinds share a rope. */
export function ropeTables(
  ropes: Ropes,
  input: ModelInput,
  dtype: torch.DType,
): Readonly<Record<LayerType, RotaryTables>> {
  const full = tablesOf(ropes.full_attention, input, dtype);
  const isShared = ropes.sliding_attention === ropes.full_attention;
  return { full_attention: full, sliding_attention: isShared ? full : tablesOf(ropes.sliding_attention, input, dtype) };
}

function tablesOf(rope: Rope, { positionIds, layout, cache }: ModelInput, dtype: torch.DType): RotaryTables {
  const lengths = layout.lengths.map((length, row) => length + (cache?.lengths[row] ?? 0));
  const byRow = lengths.map((length) => rope.frequencies(length));
  return torch.noGrad(() =>
    rotaryTables(positionIds, frequenciesOf(byRow, layout.lengths, positionIds.device), rope.factor, dtype),
  );
}

/** [R / 2] where all rows have the same, else [N, R / 2]. */
function frequenciesOf(byRow: readonly Float32Array[], lengths: readonly number[], device: string): torch.Tensor {
  const [first] = byRow as [Float32Array];
  const tensor = (frequencies: Float32Array) => torch.tensor(frequencies, undefined, "float32", device);
  if (byRow.every((frequencies) => frequencies === first)) return tensor(first);
  const parts = byRow.map((frequencies, row) => torch.expand(tensor(frequencies), [lengths[row] as number, -1]));
  return torch.cat(parts, 0);
}
