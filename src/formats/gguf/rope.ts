// RoPE scaling: from a file's metadata and factors to transformers' `rope_parameters`, and Llama 3's factors for writing.

import type { JsonObject } from "../../base/records/index.js";
import { ROPE_FACTORS } from "./architectures.js";
import { dequantize, isReadable } from "./elements.js";
import type { GgufFile } from "./file.js";
import type { ArchitectureKeys } from "./metadata.js";
import { ggufError } from "./types.js";

const DEFAULT_BASE = 10000;

/** Supported keys under `rope.scaling.`. */
const SCALING_KEYS: readonly string[] = ["type", "factor", "original_context_length", "finetuned"];

/**
 * A file's `rope_parameters`, as in transformers' configuration.
 * @throws BidoraError `GGUF` for a kind of RoPE scaling that is not supported
 */
export function ropeParameters(file: GgufFile, read: ArchitectureKeys, headSize: number): JsonObject {
  const rope_theta = read.optionalNumber("rope.freq_base") ?? DEFAULT_BASE;
  if (rope_theta <= 0) throw read.fault("rope.freq_base", `must be above 0, but is ${rope_theta}.`);
  const factors = ropeFactors(file, headSize);
  const stretched = scaling(read);
  if (!factors || factors.every((factor) => factor === 1)) return { rope_theta, ...stretched };
  if (stretched.rope_type === "default") return { rope_theta, ...fitted(file, factors, rope_theta) };
  throw read.fault("rope.scaling", `is combined with the factors in tensor '${ROPE_FACTORS}', which is not supported.`);
}

function scaling(read: ArchitectureKeys): JsonObject {
  const old = read.optionalNumber("rope.scale_linear") ?? 1;
  const factor = read.optionalNumber("rope.scaling.factor") ?? old;
  if (factor <= 0) throw read.fault("rope.scaling.factor", `must be above 0, but is ${factor}.`);
  const type = read.optionalText("rope.scaling.type") ?? (factor === 1 ? "none" : "linear");
  const extra = read.under("rope.scaling.").find((key) => !SCALING_KEYS.includes(key));
  if (extra !== undefined && type !== "none") throw read.fault(`rope.scaling.${extra}`, "is not supported.");
  if (type === "none") return { rope_type: "default" };
  if (type === "linear") return factor === 1 ? { rope_type: "default" } : { rope_type: "linear", factor };
  if (type !== "yarn") {
    throw read.fault(
      "rope.scaling.type",
      `${JSON.stringify(type)} is not supported; supported are none, linear, yarn.`,
    );
  }
  return {
    rope_type: "yarn",
    factor,
    original_max_position_embeddings: read.count("rope.scaling.original_context_length"),
  };
}

/** The file's divisors of the RoPE frequencies, or undefined if it has none. */
function ropeFactors(file: GgufFile, headSize: number): Float32Array | undefined {
  if (!file.tensors.has(ROPE_FACTORS)) return undefined;
  const { type, shape } = file.info(ROPE_FACTORS);
  if (shape.length !== 1 || shape[0] !== headSize / 2 || !isReadable(type)) {
    throw ggufError(
      file.path,
      `tensor '${ROPE_FACTORS}' has type ${type} and shape [${shape.join(", ")}]; expected F32 and [${headSize / 2}].`,
    );
  }
  return dequantize(type, file.readBytes(ROPE_FACTORS));
}

function fitted(file: GgufFile, factors: Float32Array, theta: number): JsonObject {
  const settings = llama3Settings(factors, theta);
  if (settings) return { rope_type: "llama3", ...settings };
  throw ggufError(
    file.path,
    `tensor '${ROPE_FACTORS}' holds factors that don't fit Llama 3's RoPE scaling, the only one supported with such a tensor.`,
  );
}

/** Llama 3's RoPE scaling, as in `rope_parameters`. */
interface Llama3Settings {
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

/** The values in every public checkpoint, which differ only in `factor`. */
const USUAL = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
/** Relative; the file's factors were computed in float32. */
const TOLERANCE = 1e-6;

/**
 * The settings that give these factors: 1 for short wavelengths, `factor` for long ones, and in between a harmonic interpolation that
 * is linear in the frequency. Undefined if no settings do.
 */
export function llama3Settings(factors: Float32Array, theta: number): Llama3Settings | undefined {
  const factor = factors.reduce((a, b) => Math.max(a, b));
  const waves = wavesOf(theta, factors.length);
  const candidates = [{ factor, ...USUAL }, ...fits(factors, waves, factor)];
  return candidates.find((settings) => gives(settings, factors, waves));
}

/** The divisor of each of `count` RoPE frequencies. */
export function llama3Factors(settings: Llama3Settings, theta: number, count: number): number[] {
  return wavesOf(theta, count).map((wave) => factorOf(settings, wave));
}

/** Wavelengths. */
const wavesOf = (theta: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => 2 * Math.PI * theta ** (i / count));

function gives(settings: Llama3Settings, factors: Float32Array, waves: readonly number[]): boolean {
  return waves.every((wave, i) => Math.abs(factorOf(settings, wave) / factors[i]! - 1) < TOLERANCE);
}

function factorOf(settings: Llama3Settings, wave: number): number {
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = settings;
  if (wave < original / high) return 1;
  if (wave > original / low) return factor;
  const smooth = (original / wave - low) / (high - low);
  return 1 / ((1 - smooth) / factor + smooth);
}

interface Frequency {
  readonly frequency: number;
  /** 1 if the frequency is unchanged, 0 if it is divided by the full factor. */
  readonly smooth: number;
}

/**
 * Candidate settings. The factors determine only the two frequencies between which the interpolation happens (or an interval for
 * each). So one of the three settings is free, and `low_freq_factor` is taken to be 1, as in all checkpoints.
 */
function fits(factors: Float32Array, waves: readonly number[], factor: number): Llama3Settings[] {
  const frequencies = waves.map((wave, i) => ({
    frequency: 1 / wave,
    smooth: (1 / factors[i]! - 1 / factor) / (1 - 1 / factor),
  }));
  const [lowest, highest] = endsOf(frequencies);
  const original = 1 / lowest;
  const whole = Math.max(1, Math.round(original));
  const settings = (low_freq_factor: number, high_freq_factor: number): Llama3Settings => ({
    factor,
    low_freq_factor,
    high_freq_factor,
    original_max_position_embeddings: whole,
  });
  return [settings(1, Math.round(highest * original)), settings(lowest * whole, highest * whole)];
}

/** The frequencies where the interpolation ends: from two interpolated frequencies, from one, or from those outside. */
function endsOf(frequencies: readonly Frequency[]): readonly [lowest: number, highest: number] {
  const between = frequencies.filter(({ smooth }) => smooth > TOLERANCE && smooth < 1 - TOLERANCE);
  const [first, last] = [between[0], between.at(-1)];
  const above = Math.min(
    ...frequencies.filter(({ smooth }) => smooth >= 1 - TOLERANCE).map(({ frequency }) => frequency),
  );
  const below = Math.max(
    0,
    ...frequencies.filter(({ smooth }) => smooth <= TOLERANCE).map(({ frequency }) => frequency),
  );
  if (!first || !last) {
    const room = Number.isFinite(above) ? above - below : 3 * below;
    return [below + room / 3, below + (2 * room) / 3];
  }
  if (first !== last) {
    const slope = (first.smooth - last.smooth) / (first.frequency - last.frequency);
    return [first.frequency - first.smooth / slope, first.frequency + (1 - first.smooth) / slope];
  }
  // A line through the only interpolated frequency, steep enough that its ends stay between the neighboring frequencies.
  const least = (first.frequency / first.smooth - above) / (1 / first.smooth - 1);
  const lowest = (Math.max(below, least) + first.frequency) / 2;
  return [lowest, lowest + (first.frequency - lowest) / first.smooth];
}
