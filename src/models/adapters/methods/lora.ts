import { checkArguments } from "../../../base/index.js";
import type * as torch from "../../../torch/index.js";
import type { LowRankFactors } from "../../../torch/operators/index.js";
import type { Embedding, ForwardContext } from "../../nn/index.js";
import { configOptions } from "../adapterConfig.js";
import {
  checkLowRank,
  fromSettings,
  LOW_RANK_DEFAULTS,
  LOW_RANK_OPTIONS,
  LOW_RANK_WORDS,
  type LowRankConfig,
  lowRankFacts,
  toSettings,
} from "../lowRankConfig.js";
import { LowRankAdapter, LowRankLinear, lowRankOf, lowRankSlots, lowRankTensors, MAGNITUDE } from "../lowRankLayers.js";
import type { AdapterMethod } from "../method.js";
import { currentLoraName, LORA_DEFAULTS, LORA_SUFFIXES, parseLoraKeys, renderLoraKeys } from "../peft/loraKeys.js";
import { savingScales } from "./scales.js";

export interface LoraConfig extends LowRankConfig {
  readonly method: "lora";
}

const OPTIONS = configOptions(LOW_RANK_DEFAULTS, LOW_RANK_WORDS);

/** LoRA's settings; the defaults are PEFT's, with rank 8, alpha 16 and every linear layer. */
export function loraConfig(options: Partial<LowRankConfig> = {}): LoraConfig {
  checkArguments("loraConfig", ["options", options, OPTIONS]);
  return { ...LOW_RANK_DEFAULTS, ...options, method: "lora" };
}

/** LoRA (arXiv 2106.09685) of an embedding: rows of table + s·(B·A)ᵀ. */
class LoraEmbedding extends LowRankAdapter {
  override get update(): LowRankFactors {
    return this.lowRank.factors;
  }

  forward(ids: torch.Tensor, layer: Embedding, _context: ForwardContext): torch.Tensor {
    return this.lowRank.addRows(layer.base(ids), ids, layer);
  }
}

export const lora: AdapterMethod<LoraConfig, typeof LOW_RANK_OPTIONS> = {
  about: "a low-rank update",
  learningRate: 1e-3,
  options: LOW_RANK_OPTIONS,
  retunable: ["dropout"],
  check: checkLowRank,
  config: loraConfig,
  fromSettings,
  toSettings,
  inLayers: {
    findSlots: lowRankSlots,
    tensors: lowRankTensors,
    build(slot, config, parameters) {
      const lowRank = lowRankOf(slot, config, parameters);
      return slot.kind === "linear" ? new LowRankLinear(lowRank) : new LoraEmbedding(lowRank);
    },
    trainingHooks: savingScales,
    facts: lowRankFacts,
  },
  codec: {
    peftType: "LORA",
    isOwn: ({ use_dora: dora }) => dora !== true,
    defaults: LORA_DEFAULTS,
    parse: (file, json) => loraConfig(parseLoraKeys(file, json)),
    render: (config, paths) => renderLoraKeys(config, paths, false),
    suffixes: LORA_SUFFIXES,
    currentName: currentLoraName,
    contradiction(_config, tensors) {
      const magnitude = [...tensors.keys()].find((name) => name.endsWith(`.${MAGNITUDE}`));
      return magnitude && `use_dora is false, but there is a ${magnitude}: one of them is wrong`;
    },
  },
};
