import { fullMatch } from "../common/patterns.js";
import type { MagnitudeAxis, NormGradient } from "./dora.js";

/** Which modules an adapter goes to: names or path ends, a regular expression over the whole path, or `all-linear`. */
export type TargetModules = readonly string[] | string;

/** Values by module: keys are regular expressions for the end of a path; the first that matches counts. */
export type Pattern = Readonly<Record<string, number>>;

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
  readonly rankPattern: Pattern;
  readonly alphaPattern: Pattern;
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

/** No adapter: every parameter of the model is trained. */
export interface FullConfig {
  readonly method: "full";
}

/** What is put into a model's layers. */
export type InjectedConfig = LoraConfig | DoraConfig;

export type AdapterConfig = InjectedConfig | FullConfig;

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

/** The keys of a pattern that match the end of `path`, as PEFT reads `rank_pattern` and `alpha_pattern`. */
export function matchingKeys(pattern: Pattern, path: string): string[] {
  return Object.keys(pattern).filter((key) => fullMatch(`(.*\\.)?(${key})`, path));
}

/** The value of the first key that matches the end of `path`. */
export function patternValue(pattern: Pattern, path: string, fallback: number): number {
  const [first] = matchingKeys(pattern, path);
  return first === undefined ? fallback : (pattern[first] as number);
}

/** Rank, alpha and scale (alpha / rank, or alpha / √rank) of the module at `path`. */
export function rankAndScale(config: LowRankConfig, path: string): { rank: number; alpha: number; scale: number } {
  const rank = patternValue(config.rankPattern, path, config.rank);
  const alpha = patternValue(config.alphaPattern, path, config.alpha);
  return { rank, alpha, scale: alpha / (config.rslora ? Math.sqrt(rank) : rank) };
}
