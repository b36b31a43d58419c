import { exactPattern, fullMatch, oneOf, UsageError } from "../../base/index.js";
import {
  type AppliesWhen,
  alternatives,
  choice,
  modules,
  number,
  pattern,
  toggle,
  type Values,
  whole,
} from "../../base/settings/index.js";
import { isPacked, PACKED_DTYPES } from "../nn/index.js";
import { methodOption, type Pattern, TARGET_DEFAULTS, type TargetedConfig } from "./adapterConfig.js";
import type { MethodSettings } from "./method.js";

/** How low-rank updates start, by PEFT's names (`default` is its `true`). `starts/` has them all. */
export const INIT_LORA_WEIGHTS = [
  "default",
  "gaussian",
  "pissa",
  "olora",
  "eva",
  "lora-ga",
  "loftq",
  "orthogonal",
] as const;

/** How the low-rank updates of an adapter start, by the name that adapter_config.json has. */
export type SavedStart = "default" | "gaussian" | "pissa" | "olora" | "eva" | "orthogonal";

/** The starts that files keep the name of. Of LoRA-GA and LoftQ a file has nothing: its A and B belong to the base as it is. */
export const SAVED_STARTS: readonly SavedStart[] = ["default", "gaussian", "pissa", "olora", "eva", "orthogonal"];

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
  /** How the updates start. */
  readonly initLoraWeights: SavedStart;
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
  initLoraWeights: "default",
};

/** Checks of the settings with a choice of words. */
export const LOW_RANK_WORDS = { initLoraWeights: oneOf(SAVED_STARTS) };

const withPackedBase: AppliesWhen = {
  only: `with --base-dtype ${alternatives(PACKED_DTYPES)}`,
  holds: ({ baseDtype }: { readonly baseDtype?: string }) => isPacked(baseDtype),
};

/** What takes a part out of each weight. */
const withDenseBase: AppliesWhen = {
  only: "without a packed --base-dtype, which no part can be taken out of",
  holds: ({ baseDtype }: { readonly baseDtype?: string }) => !isPacked(baseDtype),
};

/** The starts that are computed from rows. */
const BY_ROWS: readonly string[] = ["eva", "lora-ga"];

const withRows: AppliesWhen = {
  only: "with --init-lora-weights eva or lora-ga, and without --adapter",
  holds: ({ initLoraWeights = "", adapter }: { readonly initLoraWeights?: string; readonly adapter?: string }) =>
    BY_ROWS.includes(initLoraWeights) && adapter === undefined,
};

/** The settings of a run that LoRA and DoRA use. */
export const LOW_RANK_OPTIONS = {
  targetModules: methodOption(modules, "layers to adapt: query,value or all-linear", {
    placeholder: "M",
    defaultText: "by model",
  }),
  rank: methodOption(whole(1), "rank of the update; for oft the number of blocks", { default: 8 }),
  alpha: methodOption.advanced(number({ above: 0 }), "the low-rank update is scaled by alpha / rank", { default: 16 }),
  dropout: methodOption.advanced(
    number({ least: 0, below: 1 }),
    "dropout probability on the input of the low-rank update",
    { default: 0 },
  ),
  rslora: methodOption.advanced(
    toggle,
    "scale the low-rank update by alpha / sqrt(rank) instead of alpha / rank (rank-stabilized LoRA)",
    { default: false },
  ),
  initLoraWeights: methodOption.rare(
    choice(INIT_LORA_WEIGHTS, { zero: "default" }),
    "how the low-rank update starts: at zero (default, gaussian, orthogonal, eva), from a part of the weights (pissa, olora, lora-ga), or from what --base-dtype rounded off (loftq)",
    {
      default: "default",
      valueAppliesWhen: {
        loftq: withPackedBase,
        pissa: withDenseBase,
        olora: withDenseBase,
        "lora-ga": withDenseBase,
      },
    },
  ),
  initBatches: methodOption.rare(whole(1), "training batches that the start is computed from", {
    default: 8,
    appliesWhen: withRows,
  }),
  rankPattern: methodOption.rare(
    pattern(whole(1), String.raw`0*[1-9]\d*`),
    "different ranks for the layers whose names match",
    { defaultText: "none" },
  ),
  alphaPattern: methodOption.rare(
    pattern(number({ above: 0 }), String.raw`(?!0*\.?0*$)\d*\.?\d+`),
    "different alphas for the layers whose names match",
    { defaultText: "none" },
  ),
};

type LowRankOptions = typeof LOW_RANK_OPTIONS;

/** Turns a run's settings into those of an adapter. */
export function fromSettings(settings: MethodSettings<LowRankOptions>): Partial<Omit<LowRankConfig, "method">> {
  const { rank, alpha, rslora, dropout, targetModules, rankPattern = {}, alphaPattern = {} } = settings;
  const initLoraWeights = SAVED_STARTS.find((start) => start === settings.initLoraWeights) ?? "default";
  return { rank, alpha, rslora, dropout, targetModules, rankPattern, alphaPattern, initLoraWeights };
}

/** The reverse. */
export function toSettings(config: LowRankConfig): Omit<Values<LowRankOptions>, "initBatches"> {
  const { rank, alpha, rslora, dropout, targetModules, rankPattern, alphaPattern, initLoraWeights } = config;
  return { rank, alpha, rslora, dropout, targetModules, rankPattern, alphaPattern, initLoraWeights };
}

/** @throws UsageError for ranks that the start does not have */
export function checkLowRank({ initLoraWeights, rank, rankPattern = {} }: Values<LowRankOptions>): void {
  const odd = [rank, ...Object.values(rankPattern)].find((own) => own % 2 === 1);
  if (initLoraWeights === "orthogonal" && odd !== undefined)
    throw new UsageError(
      `--init-lora-weights orthogonal needs an even rank, not ${odd}: it gives each half to one of A and B.`,
    );
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
