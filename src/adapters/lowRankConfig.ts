import { fullMatch } from "../common/patterns.js";
import { type Pattern, TARGET_DEFAULTS, type TargetedConfig } from "./config.js";
import type { MethodSettings } from "./method.js";

/** Settings that LoRA and DoRA share; meanings are PEFT's, names those of a run's settings. */
export interface LowRankConfig extends TargetedConfig {
  readonly rank: number;
  readonly alpha: number;
  /** Scale alpha / √rank in place of alpha / rank. */
  readonly rslora: boolean;
  readonly dropout: number;
  readonly rankPattern: Pattern;
  readonly alphaPattern: Pattern;
  /** Give B a bias of its own. */
  readonly loraBias: boolean;
}

export const LOW_RANK_DEFAULTS: Omit<LowRankConfig, "method"> = {
  ...TARGET_DEFAULTS,
  rank: 8,
  alpha: 16,
  rslora: false,
  dropout: 0,
  rankPattern: {},
  alphaPattern: {},
  loraBias: false,
};

/** The settings of a run that both use. */
export const LOW_RANK_SETTINGS = [
  "rank",
  "alpha",
  "rslora",
  "dropout",
  "targetModules",
  "rankPattern",
  "alphaPattern",
] as const;

type LowRankSettings = Pick<MethodSettings, (typeof LOW_RANK_SETTINGS)[number]>;

/** Settings of a run in an adapter's terms. */
export function fromSettings(settings: LowRankSettings): Partial<Omit<LowRankConfig, "method">> {
  const { rank, alpha, rslora, dropout, targetModules, rankPattern = {}, alphaPattern = {} } = settings;
  return { rank, alpha, rslora, dropout, targetModules, rankPattern, alphaPattern };
}

/** And back. */
export function toSettings(config: LowRankConfig): LowRankSettings {
  const { rank, alpha, rslora, dropout, targetModules, rankPattern, alphaPattern } = config;
  return { rank, alpha, rslora, dropout, targetModules, rankPattern, alphaPattern };
}

/** The keys of a pattern that match the end of `path`, as PEFT reads `rank_pattern` and `alpha_pattern`. */
export function matchingKeys(pattern: Pattern, path: string): string[] {
  return Object.keys(pattern).filter((key) => fullMatch(`(.*\\.)?(${key})`, path));
}

/** The value of the first key that matches the end of `path`. */
function patternValue(pattern: Pattern, path: string, fallback: number): number {
  const [first] = matchingKeys(pattern, path);
  return first === undefined ? fallback : (pattern[first] as number);
}

/** Rank, alpha and scale (alpha / rank, or alpha / √rank) of the module at `path`. */
export function rankAndScale(config: LowRankConfig, path: string): { rank: number; alpha: number; scale: number } {
  const rank = patternValue(config.rankPattern, path, config.rank);
  const alpha = patternValue(config.alphaPattern, path, config.alpha);
  return { rank, alpha, scale: alpha / (config.rslora ? Math.sqrt(rank) : rank) };
}

export function lowRankFacts(config: LowRankConfig, path: string): { readonly rank: number; readonly scale: number } {
  const { rank, scale } = rankAndScale(config, path);
  return { rank, scale };
}
