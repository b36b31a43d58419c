/** Llama 3's settings, by the names of `rope_parameters`. */
export interface Llama3Settings {
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

/** Those of every public checkpoint but for the factor. */
const USUAL = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
/** The file's factors have been computed in float32. */
const TOLERANCE = 1e-5;

/**
 * The settings that give these factors: 1 for short waves, the whole factor for long ones, and between them the harmonic mean of both
 * that moves evenly with the frequency. Undefined where none does.
 */
export function llama3Settings(factors: Float32Array, theta: number): Llama3Settings | undefined {
  const factor = factors.reduce((a, b) => Math.max(a, b));
  const waves = Array.from(factors, (_, i) => 2 * Math.PI * theta ** (i / factors.length));
  const candidates = [{ factor, ...USUAL }, ...fits(factors, waves, factor)];
  return candidates.find((settings) => gives(settings, factors, waves));
}

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

/**
 * Settings through two waves between the ends. Only the frequencies where stretching begins and is whole are told by factors, so that
 * one of the three settings is free: the low one is taken to be 1, as it is everywhere.
 */
function fits(factors: Float32Array, waves: readonly number[], factor: number): Llama3Settings[] {
  const between = waves
    .map((wave, i) => ({ frequency: 1 / wave, smooth: (1 / factors[i]! - 1 / factor) / (1 - 1 / factor) }))
    .filter(({ smooth }) => smooth > TOLERANCE && smooth < 1 - TOLERANCE);
  const [first, last] = [between[0], between.at(-1)];
  if (!first || !last || first === last) return [];
  const slope = (first.smooth - last.smooth) / (first.frequency - last.frequency);
  const [lowest, highest] = [0, 1].map((smooth) => first.frequency + (smooth - first.smooth) / slope) as [
    number,
    number,
  ];
  const original = 1 / lowest;
  const settings = {
    factor,
    low_freq_factor: 1,
    high_freq_factor: highest * original,
    original_max_position_embeddings: original,
  };
  const whole = Math.max(1, Math.round(original));
  return [
    { ...settings, high_freq_factor: Math.round(settings.high_freq_factor), original_max_position_embeddings: whole },
    {
      ...settings,
      low_freq_factor: whole / original,
      high_freq_factor: highest * whole,
      original_max_position_embeddings: whole,
    },
  ];
}
