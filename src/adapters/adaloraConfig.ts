import { own } from "../common/collections.js";
import { TARGET_DEFAULTS, type TargetedConfig } from "./config.js";

/** Settings of AdaLoRA: names are those of a run's settings, meanings PEFT's. */
export interface AdaloraConfig extends TargetedConfig {
  readonly method: "adalora";
  /** Of a layer in the end, on average: `target_r`. */
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  /** Of every layer in the beginning. */
  readonly adaloraInitRank: number;
  /** Steps before the first rank is taken away. */
  readonly adaloraTinit: number;
  /** Steps after the last one is. */
  readonly adaloraTfinal: number;
  /** Steps from one allocation to the next. */
  readonly adaloraDeltaT: number;
  /** Of the penalty for factors that are not orthogonal. */
  readonly adaloraOrthogonalWeight: number;
  /** Of the running means of sensitivity, and of uncertainty. */
  readonly beta1: number;
  readonly beta2: number;
  /** Steps of the run that it was trained in, where one has begun. */
  readonly totalSteps: number | undefined;
  /** Which of the first ranks are left, by a layer's path; undefined as long as all are. */
  readonly keptRanks: KeptRanks | undefined;
}

export type KeptRanks = Readonly<Record<string, readonly boolean[]>>;

/** AdaLoRA's settings; what is not given is as in PEFT, with alpha 16 and every linear layer. */
export const adaloraConfig = (options: Partial<AdaloraConfig>): AdaloraConfig => {
  const { rank = 8 } = options;
  return {
    ...TARGET_DEFAULTS,
    alpha: 16,
    dropout: 0,
    adaloraTinit: 0,
    adaloraTfinal: 0,
    adaloraDeltaT: 1,
    adaloraOrthogonalWeight: 0.5,
    beta1: 0.85,
    beta2: 0.85,
    totalSteps: undefined,
    keptRanks: undefined,
    ...options,
    rank,
    adaloraInitRank: options.adaloraInitRank ?? firstRank(rank),
    method: "adalora",
  };
};

/** That ranks begin with: half as many again as they end with, rounded up, so that there is always one to take away. */
export const firstRank = (rank: number): number => Math.ceil(1.5 * rank);

/** Ranks that a layer has. */
export function ranksOf({ keptRanks, adaloraInitRank }: AdaloraConfig, path: string): number {
  return own(keptRanks ?? {}, path)?.filter(Boolean).length ?? adaloraInitRank;
}

/** What PEFT keeps a division from failing by, where no rank is left. */
const PEFT_EPSILON = 1e-5;

/** It stays the same, however many ranks are left. */
export const adaloraScale = ({ alpha, adaloraInitRank }: AdaloraConfig): number =>
  alpha / (adaloraInitRank + PEFT_EPSILON);
