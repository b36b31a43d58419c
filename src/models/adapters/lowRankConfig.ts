import { exactPattern, fullMatch } from "../../base/index.js";
import {
  type AppliesWhen,
  alternatives,
  choice,
  modules,
  number,
  option,
  pattern,
  toggle,
  type Values,
  whole,
} from "../../base/settings/index.js";
import { isPacked, PACKED_DTYPES } from "../nn/index.js";
import { type Pattern, TARGET_DEFAULTS, type TargetedConfig } from "./adapterConfig.js";
import type { MethodSettings } from "./method.js";

/** How a low-rank update starts: at zero, or by LoftQ as the main part of the error of the base's packed weights. */
export const INIT_LORA_WEIGHTS = ["zero", "loftq"] as const;

/** Settings that LoRA and DoRA share; meanings are PEFT's, names those of a run's settings. */
export interface LowRankConfig extends TargetedConfig {
  readonly rank: number;
  readonly alpha: number;
  /** Scale by alpha / √rank instead of alpha / rank. */
  readonly rslora: boolean;
  readonly dropout: number;
  readonly rankPattern: Pattern;
  readonly alphaPattern: Pattern;
  /** Add a bias to B (PEFT's `lora_bias`). */
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

const withPackedBase: AppliesWhen = {
  only: `with --base-dtype ${alternatives(PACKED_DTYPES)}`,
  holds: ({ baseDtype }: { readonly baseDtype?: string }) => isPacked(baseDtype),
};

/** The settings of a run that LoRA and DoRA use. */
export const LOW_RANK_OPTIONS = {
  targetModules: option(modules, {
    group: "Method",
    placeholder: "M",
    help: "layers to adapt: query,value or all-linear",
    defaultText: "by model",
  }),
  rank: option(whole(1), {
    group: "Method",
    help: "rank of the update; for oft the number of blocks",
    default: 8,
  }),
  alpha: option(number({ above: 0 }), {
    group: "Method",
    help: "the low-rank update is scaled by alpha / rank",
    default: 16,
    advanced: true,
  }),
  dropout: option(number({ least: 0, below: 1 }), {
    group: "Method",
    help: "dropout probability on the input of the low-rank update",
    default: 0,
    advanced: true,
  }),
  rslora: option(toggle, {
    group: "Method",
    help: "scale the low-rank update by alpha / sqrt(rank) instead of alpha / rank (rank-stabilized LoRA)",
    default: false,
    advanced: true,
  }),
  initLoraWeights: option(choice(INIT_LORA_WEIGHTS), {
    group: "Method",
    help: "how the low-rank update starts: at zero, or with the main part of what --base-dtype rounded off (LoftQ)",
    default: "zero",
    advanced: true,
    rare: true,
    valueAppliesWhen: { loftq: withPackedBase },
  }),
  rankPattern: option(pattern(whole(1), String.raw`0*[1-9]\d*`), {
    group: "Method",
    help: "different ranks for the layers whose names match",
    defaultText: "none",
    advanced: true,
    rare: true,
  }),
  alphaPattern: option(pattern(number({ above: 0 }), String.raw`(?!0*\.?0*$)\d*\.?\d+`), {
    group: "Method",
    help: "different alphas for the layers whose names match",
    defaultText: "none",
    advanced: true,
    rare: true,
  }),
};

type LowRankOptions = typeof LOW_RANK_OPTIONS;

/** Turns a run's settings into those of an adapter. */
export function fromSettings(settings: MethodSettings<LowRankOptions>): Partial<Omit<LowRankConfig, "method">> {
  const { rank, alpha, rslora, dropout, targetModules, rankPattern = {}, alphaPattern = {} } = settings;
  return { rank, alpha, rslora, dropout, targetModules, rankPattern, alphaPattern };
}

/** The reverse. */
export function toSettings(config: LowRankConfig): Omit<Values<LowRankOptions>, "initLoraWeights"> {
  const { rank, alpha, rslora, dropout, targetModules, rankPattern, alphaPattern } = config;
  return { rank, alpha, rslora, dropout, targetModules, rankPattern, alphaPattern };
}

/** The keys of a pattern that match the end of `path`, as PEFT reads `rank_pattern` and `alpha_pattern`. */
export function matchingKeys(pattern: Pattern, path: string): string[] {
  return Object.keys(pattern).filter((key) => fullMatch(`(.*\\.)?(${key})`, path));
}

/** A pattern with a value for each of these paths, by the path itself where no other path matches it. */
export function patternByPath(values: ReadonlyMap<string, number>): Pattern {
  const byPath = Object.fromEntries(values);
  const isClear = Array.from(values.keys()).every((path) => matchingKeys(byPath, path).length === 1);
  return isClear ? byPath : Object.fromEntries(Array.from(values, ([path, value]) => [exactPattern(path), value]));
}

/** The value of the first key that matches the end of `path`. */
function patternValue(pattern: Pattern, path: string, fallback: number): number {
  const [first] = matchingKeys(pattern, path);
  return first === undefined ? fallback : pattern[first]!;
}

/** The rank of the module at `path`. */
export const rankOf = (config: Pick<LowRankConfig, "rank" | "rankPattern">, path: string): number =>
  patternValue(config.rankPattern, path, config.rank);

/** Rank, alpha and scale (alpha / rank, or alpha / √rank) of the module at `path`. */
export function rankAndScale(config: LowRankConfig, path: string): { rank: number; alpha: number; scale: number } {
  const rank = rankOf(config, path);
  const alpha = patternValue(config.alphaPattern, path, config.alpha);
  return { rank, alpha, scale: alpha / (config.rslora ? Math.sqrt(rank) : rank) };
}

export function lowRankFacts(config: LowRankConfig, path: string): { readonly rank: number; readonly scale: number } {
  const { rank, scale } = rankAndScale(config, path);
  return { rank, scale };
}
