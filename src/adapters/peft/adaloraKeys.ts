import * as z from "zod";
import { own } from "../../common/collections.js";
import { BidoraError } from "../../common/errors.js";
import { wholeRecord } from "../../common/keys.js";
import type { JsonObject } from "../../files/json.js";
import type { Tensor } from "../../torch/index.js";
import { type AdaloraConfig, adaloraConfig, type KeptRanks, ranksOf } from "../adaloraConfig.js";
import { A, E } from "../rankAllocator.js";
import { LORA_DEFAULTS } from "./loraKeys.js";
import { refuseUnsupported } from "./loraRefusals.js";
import { checkedKeys, parseTargetKeys, renderTargetKeys, targetKeys } from "./targetKeys.js";

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
