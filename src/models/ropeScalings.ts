// How frequencies of rotary positions are stretched for contexts longer than the first training's: transformers' rope types.
// All arithmetic is float32, step by step in transformers' order, so that angles at far positions are the same.
// Shapes: R how many numbers of a head are turned.
import type { JsonObject } from "../files/json.js";
import * as torch from "../torch/index.js";
import { type ConfigReader, configError } from "./configReader.js";

/** What a rope type starts from. */
export interface RopeBase {
  readonly theta: number;
  /** R */
  readonly size: number;
  readonly maxPositions: number;
}

/** Angles of positions: position · frequency. */
export interface Rope extends RopeAngles {
  readonly type: RopeType;
  readonly theta: number;
  /** What the configuration says of it. */
  readonly settings: JsonObject;
}

export interface RopeAngles {
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
export const ROPE_SCALINGS = { default: plain, linear, dynamic, llama3, yarn, longrope } as const satisfies Readonly<
  Record<string, Scaling>
>;

export type RopeType = keyof typeof ROPE_SCALINGS;

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
