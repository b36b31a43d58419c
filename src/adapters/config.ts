import type { MagnitudeAxis, NormGradient } from "./dora.js";

/** Which modules an adapter goes to: names or path ends, a regular expression over the whole path, or `all-linear`. */
export type TargetModules = readonly string[] | string;

/** Settings that LoRA and DoRA share; names and meanings are PEFT's. */
export interface LowRankConfig {
  readonly rank: number;
  readonly alpha: number;
  /** Scale alpha / √rank in place of alpha / rank. */
  readonly rslora: boolean;
  readonly dropout: number;
  readonly targetModules: TargetModules;
  readonly excludeModules: TargetModules | undefined;
  readonly layersToTransform: readonly number[] | undefined;
  readonly layersPattern: readonly string[] | undefined;
  /** Rank by module: keys are regular expressions for the end of a path; the first that matches counts. */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** Biases trained beside: none, those of adapted layers, or every one. */
  readonly bias: "none" | "lora_only" | "all";
  /** Give B a bias of its own. */
  readonly loraBias: boolean;
  /** Modules trained and saved whole: the head, and what was newly drawn. */
  readonly modulesToSave: readonly string[];
}

export interface LoraConfig extends LowRankConfig {
  readonly method: "lora";
}

/** DoRA's layer; BiDoRA trains the same one by another step rule. */
export interface DoraConfig extends LowRankConfig {
  readonly method: "dora";
  readonly axis: MagnitudeAxis;
  readonly normGradient: NormGradient;
}

export type AdapterConfig = LoraConfig | DoraConfig;

const DEFAULTS: LowRankConfig = {
  rank: 8,
  alpha: 16,
  rslora: false,
  dropout: 0,
  targetModules: "all-linear",
  excludeModules: undefined,
  layersToTransform: undefined,
  layersPattern: undefined,
  rankPattern: {},
  alphaPattern: {},
  bias: "none",
  loraBias: false,
  modulesToSave: [],
};

export function loraConfig(options: Partial<LowRankConfig> = {}): LoraConfig {
  return { ...DEFAULTS, ...options, method: "lora" };
}

export function doraConfig(options: Partial<Omit<DoraConfig, "method">> = {}): DoraConfig {
  return { ...DEFAULTS, axis: "out", normGradient: "detached", ...options, method: "dora" };
}

/** The first value whose key matches the end of `path`, as PEFT reads `rank_pattern` and `alpha_pattern`. */
export function patternValue(pattern: Readonly<Record<string, number>>, path: string, fallback: number): number {
  for (const [key, value] of Object.entries(pattern)) {
    if (new RegExp(`^(.*\\.)?(${key})$`).test(path)) return value;
  }
  return fallback;
}

/** Rank and scale (alpha / rank, or alpha / √rank) of the module at `path`. */
export function rankAndScale(config: LowRankConfig, path: string): { rank: number; scale: number } {
  const rank = patternValue(config.rankPattern, path, config.rank);
  const alpha = patternValue(config.alphaPattern, path, config.alpha);
  return { rank, scale: alpha / (config.rslora ? Math.sqrt(rank) : rank) };
}
