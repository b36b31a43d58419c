import * as z from "zod";
import { BidoraError, own, wholeRecord } from "../../../base/index.js";
import type { JsonObject } from "../../../base/records/index.js";
import type { Tensor } from "../../../torch/index.js";
import { TARGET_DEFAULTS, type TargetedConfig } from "../adapterConfig.js";
import { LORA_DEFAULTS, refuseUnsupported } from "../peft/loraKeys.js";
import { peftKeys } from "../peft/targetKeys.js";

/** Names of a layer's tensors in PEFT's files. */
export const [A, B, E] = ["lora_A", "lora_B", "lora_E"] as const;

/** Settings of AdaLoRA: names are those of a run's settings, meanings PEFT's. */
export interface AdaloraConfig extends TargetedConfig {
  readonly method: "adalora";
  /** The mean rank of a layer at the end of training: PEFT's `target_r`. */
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  /** The initial rank of every layer: PEFT's `init_r`. */
  readonly adaloraInitRank: number;
  /** First steps without pruning. */
  readonly adaloraTinit: number;
  /** Final steps without pruning. */
  readonly adaloraTfinal: number;
  /** Steps between two prunings. */
  readonly adaloraDeltaT: number;
  /** Weight of the penalty that keeps the factors orthogonal. */
  readonly adaloraOrthogonalWeight: number;
  /** Decay rates of the running means of sensitivity and of uncertainty. */
  readonly beta1: number;
  readonly beta2: number;
  /** Steps of the run that trained it; undefined before training. */
  readonly totalSteps: number | undefined;
  /** Whether each initial rank is kept, by the layer's path; undefined while no rank is pruned. */
  readonly keptRanks: KeptRanks | undefined;
}

export type KeptRanks = Readonly<Record<string, readonly boolean[]>>;

/** AdaLoRA's settings; the defaults are PEFT's, with alpha 16 and every linear layer. */
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

/** The default initial rank: 1.5 times the target rank, rounded up, so that there is always a rank to prune. */
export const firstRank = (rank: number): number => Math.ceil(1.5 * rank);

/** The rank of a layer. */
export function ranksOf({ keptRanks, adaloraInitRank }: AdaloraConfig, path: string): number {
  return own(keptRanks ?? {}, path)?.filter(Boolean).length ?? adaloraInitRank;
}

/** PEFT adds this to the divisor, in case no rank is left. */
const PEFT_EPSILON = 1e-5;

/** The scale of the update; it does not depend on how many ranks are left. */
export const adaloraScale = ({ alpha, adaloraInitRank }: AdaloraConfig): number =>
  alpha / (adaloraInitRank + PEFT_EPSILON);

const share = z.number().gt(0).lt(1);
const count = z.int().min(0);
const positive = z.int().min(1);
const kept = wholeRecord(z.record(z.string(), z.array(z.boolean())).nullable());

const KEYS = peftKeys("lora_only", {
  adaloraInitRank: ["init_r", 12, positive],
  rank: ["target_r", 8, positive],
  alpha: ["lora_alpha", 8, z.number().gt(0)],
  dropout: ["lora_dropout", 0, z.number().min(0).lt(1)],
  isDora: ["use_dora", false, z.literal(false)],
  adaloraTinit: ["tinit", 0, count],
  adaloraTfinal: ["tfinal", 0, count],
  adaloraDeltaT: ["deltaT", 1, positive],
  beta1: ["beta1", 0.85, share],
  beta2: ["beta2", 0.85, share],
  adaloraOrthogonalWeight: ["orth_reg_weight", 0.5, z.number().min(0)],
  totalSteps: ["total_step", null, positive.nullable()],
  keptRanks: ["rank_pattern", null, kept],
});

/** The keys of an AdaLoRA's adapter_config.json that not every type has, with their defaults. */
export const ADALORA_DEFAULTS: JsonObject = { ...LORA_DEFAULTS, ...KEYS.defaults };

/** @throws BidoraError `ADAPTER_CONFIG` for what is malformed or not supported */
export function parseAdaloraKeys(file: string, json: JsonObject): AdaloraConfig {
  refuseUnsupported(file, json);
  const { isDora: _, totalSteps, keptRanks, ...settings } = KEYS.parse(file, json);
  const config = adaloraConfig({
    ...settings,
    totalSteps: totalSteps ?? undefined,
    keptRanks: keptRanks ? byPath(keptRanks) : undefined,
  });
  const wrong = Object.entries(config.keptRanks ?? {}).find(([, kept]) => kept.length !== config.adaloraInitRank);
  if (!wrong) return config;
  throw new BidoraError(
    "ADAPTER_CONFIG",
    `${file}: rank_pattern has ${wrong[1].length} entries for ${wrong[0]}, but init_r is ${config.adaloraInitRank}.`,
  );
}

/** The keys are names of E; older versions of PEFT append the adapter's name. */
function byPath(pattern: KeptRanks): KeptRanks {
  const end = new RegExp(`\\.${E}(\\.default)?$`);
  return Object.fromEntries(Object.entries(pattern).map(([name, kept]) => [name.replace(end, ""), kept]));
}

export function renderAdaloraKeys(config: AdaloraConfig): JsonObject {
  const { keptRanks, adaloraTinit, adaloraTfinal } = config;
  const patterns = Object.entries(keptRanks ?? {}).map(([path, kept]) => [`${path}.${E}`, [...kept]]);
  return KEYS.render({
    ...config,
    isDora: false,
    // PEFT refuses a file whose run had no step between tinit and tfinal.
    totalSteps: Math.max(config.totalSteps ?? 0, adaloraTinit + adaloraTfinal + 1),
    keptRanks: keptRanks ? Object.fromEntries(patterns) : null,
  });
}

/** How rank_pattern and the tensors contradict each other; undefined if they don't. */
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
