import * as z from "zod";
import { own } from "../../common/collections.js";
import { BidoraError } from "../../common/errors.js";
import { wholeRecord } from "../../common/keys.js";
import type { JsonObject } from "../../files/json.js";
import type { Tensor } from "../../torch/index.js";
import { TARGET_DEFAULTS, type TargetedConfig } from "../config.js";
import { LORA_DEFAULTS, refuseUnsupported } from "../peft/loraKeys.js";
import { checkedKeys, parseTargetKeys, renderTargetKeys, targetKeys } from "../peft/targetKeys.js";

/** Names of a layer's tensors in PEFT's files. */
export const [A, B, E] = ["lora_A", "lora_B", "lora_E"] as const;

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

/** Every key of an AdaLoRA's adapter_config.json that not every type has, with the value that an absent one has. */
export const ADALORA_DEFAULTS: JsonObject = {
  ...LORA_DEFAULTS,
  beta1: 0.85,
  beta2: 0.85,
  deltaT: 1,
  init_r: 12,
  orth_reg_weight: 0.5,
  rank_pattern: null,
  target_r: 8,
  tfinal: 0,
  tinit: 0,
  total_step: null,
};

const ADAPTED_ONLY = "lora_only";

const share = z.number().gt(0).lt(1);
const count = z.int().min(0);

const schema = targetKeys.extend({
  init_r: z.int().min(1),
  target_r: z.int().min(1),
  lora_alpha: z.number().gt(0),
  lora_dropout: z.number().min(0).lt(1),
  use_dora: z.literal(false),
  tinit: count,
  tfinal: count,
  deltaT: z.int().min(1),
  beta1: share,
  beta2: share,
  orth_reg_weight: z.number().min(0),
  total_step: z.int().min(1).nullable(),
  bias: z.enum(["none", ADAPTED_ONLY, "all"]),
  rank_pattern: wholeRecord(z.record(z.string(), z.array(z.boolean())).nullable()),
});

/** @throws BidoraError `ADAPTER_CONFIG` for what is malformed or not supported */
export function parseAdaloraKeys(file: string, json: JsonObject): AdaloraConfig {
  refuseUnsupported(file, json);
  const data = checkedKeys(file, schema, json);
  const config = adaloraConfig({
    ...parseTargetKeys(data, ADAPTED_ONLY),
    rank: data.target_r,
    alpha: data.lora_alpha,
    dropout: data.lora_dropout,
    adaloraInitRank: data.init_r,
    adaloraTinit: data.tinit,
    adaloraTfinal: data.tfinal,
    adaloraDeltaT: data.deltaT,
    adaloraOrthogonalWeight: data.orth_reg_weight,
    beta1: data.beta1,
    beta2: data.beta2,
    totalSteps: data.total_step ?? undefined,
    keptRanks: data.rank_pattern ? byPath(data.rank_pattern) : undefined,
  });
  const wrong = Object.entries(config.keptRanks ?? {}).find(([, kept]) => kept.length !== config.adaloraInitRank);
  if (!wrong) return config;
  throw new BidoraError(
    "ADAPTER_CONFIG",
    `${file}: rank_pattern has ${wrong[1].length} entries for ${wrong[0]}, but init_r is ${config.adaloraInitRank}.`,
  );
}

/** Its keys are names of E; older versions of PEFT write the adapter's own name after them. */
function byPath(pattern: KeptRanks): KeptRanks {
  const end = new RegExp(`\\.${E}(\\.default)?$`);
  return Object.fromEntries(Object.entries(pattern).map(([name, kept]) => [name.replace(end, ""), kept]));
}

export function renderAdaloraKeys(config: AdaloraConfig): JsonObject {
  const { keptRanks, adaloraTinit: tinit, adaloraTfinal: tfinal } = config;
  return {
    ...renderTargetKeys(config, ADAPTED_ONLY),
    target_r: config.rank,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    init_r: config.adaloraInitRank,
    tinit,
    tfinal,
    deltaT: config.adaloraDeltaT,
    orth_reg_weight: config.adaloraOrthogonalWeight,
    beta1: config.beta1,
    beta2: config.beta2,
    // PEFT opens no file of a run that had no step between the two.
    total_step: Math.max(config.totalSteps ?? 0, tinit + tfinal + 1),
    rank_pattern: keptRanks
      ? Object.fromEntries(Object.entries(keptRanks).map(([path, kept]) => [`${path}.${E}`, [...kept]]))
      : null,
  };
}

/** Why rank_pattern does not go with the tensors, or undefined. */
export function adaloraContradiction(
  config: AdaloraConfig,
  tensors: ReadonlyMap<string, Tensor>,
  paths: readonly string[],
): string | undefined {
  const { keptRanks } = config;
  if (!keptRanks) return undefined;
  const without = Object.keys(keptRanks).find((path) => !paths.includes(path));
  if (without !== undefined) return `rank_pattern names ${without}, which has no tensors`;
  for (const path of paths) {
    if (own(keptRanks, path) === undefined) return `rank_pattern lacks ${path}, which has tensors`;
    const [kept, found] = [ranksOf(config, path), tensors.get(`${path}.${A}`)?.shape[0]];
    if (found !== undefined && found !== kept)
      return `rank_pattern keeps ${kept} ranks of ${path}, but its ${A} has ${found}: one of them is wrong`;
  }
  return undefined;
}
