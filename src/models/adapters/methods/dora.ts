// The settings of DoRA, and their place in files. Its layers are in doraLayers.ts.

import { dirname } from "node:path";
import * as z from "zod";
import { BidoraError, checkArguments, oneOf } from "../../../base/index.js";
import { choice } from "../../../base/settings/index.js";
import * as torch from "../../../torch/index.js";
import {
  MAGNITUDE_AXES,
  type MagnitudeAxis,
  NORM_GRADIENTS,
  type NormGradient,
  squaredNorm,
} from "../../../torch/operators/index.js";
import { configOptions, methodOption } from "../adapterConfig.js";
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
import { lowRankOf, lowRankSlots, lowRankTensors, MAGNITUDE } from "../lowRankLayers.js";
import { checkedMetadata } from "../metadata.js";
import type { AdapterMethod, TensorSpec } from "../method.js";
import { currentLoraName, LORA_DEFAULTS, LORA_SUFFIXES, parseLoraKeys, renderLoraKeys } from "../peft/loraKeys.js";
import type { Slot } from "../targets.js";
import { DoraEmbedding, DoraLinear } from "./doraLayers.js";
import { savingScales } from "./scales.js";

/** DoRA's settings. BiDoRA trains the same layer with another step rule. */
export interface DoraConfig extends LowRankConfig {
  readonly method: "dora";
  readonly axis: MagnitudeAxis;
  readonly normGradient: NormGradient;
}

const DORA_DEFAULTS = { ...LOW_RANK_DEFAULTS, axis: "out", normGradient: "detached" } as const;
const OPTIONS = configOptions(DORA_DEFAULTS, {
  ...LOW_RANK_WORDS,
  axis: oneOf(MAGNITUDE_AXES),
  normGradient: oneOf(NORM_GRADIENTS),
});

/** DoRA's settings; the defaults are PEFT's, with rank 8, alpha 16 and every linear layer. */
export function doraConfig(options: Partial<Omit<DoraConfig, "method">> = {}): DoraConfig {
  checkArguments("doraConfig", ["options", options, OPTIONS]);
  return { ...DORA_DEFAULTS, ...options, method: "dora" };
}

/** ‖W0‖ along the axis, which is ‖V‖ as long as B·A is zero. */
function magnitudeTensor(slot: Slot, config: DoraConfig): TensorSpec {
  const axis = slot.kind === "linear" ? config.axis : "in";
  const isByOutput = slot.kind === "embedding" || axis === "out";
  return {
    name: MAGNITUDE,
    shape: [isByOutput ? slot.out : slot.in],
    role: "magnitude",
    start: ({ dtype }) => torch.sqrt(squaredNorm(slot.layer.weight.values.dense(), axis, dtype)),
  };
}

/** The settings that PEFT has no key for. */
const metadataKeys = z.object({
  axis: z.enum(MAGNITUDE_AXES).default("out"),
  normGradient: z.enum(NORM_GRADIENTS).default("detached"),
});

const DORA_OPTIONS = {
  ...LOW_RANK_OPTIONS,
  magnitudeAxis: methodOption.advanced(
    choice(MAGNITUDE_AXES),
    "give each output row (out) or each input column (in) of a weight a magnitude",
    { default: "out" },
  ),
  normGradient: methodOption.advanced(
    choice(NORM_GRADIENTS),
    "whether gradients flow through the norm of the direction (full) or not (detached, as in PEFT)",
    { defaultText: "bidora: full, else detached" },
  ),
};

export const dora: AdapterMethod<DoraConfig, typeof DORA_OPTIONS> = {
  about: "magnitude and low-rank direction",
  learningRate: 1e-3,
  options: DORA_OPTIONS,
  retunable: ["dropout", "normGradient"],
  check: checkLowRank,
  config: doraConfig,
  fromSettings: (settings) => ({
    ...fromSettings(settings),
    axis: settings.magnitudeAxis,
    ...(settings.normGradient && { normGradient: settings.normGradient }),
  }),
  toSettings: (config) => ({ ...toSettings(config), magnitudeAxis: config.axis }),
  inLayers: {
    findSlots(model, config) {
      if (!config.loraBias) return lowRankSlots(model, config);
      throw new BidoraError(
        "ADAPTER_CONFIG",
        "lora_bias and use_dora are mutually exclusive, as in PEFT: leave one of them out.",
      );
    },
    tensors: (slot, config) => [...lowRankTensors(slot, config), magnitudeTensor(slot, config)],
    build(slot, config, parameters) {
      const lowRank = lowRankOf(slot, config, parameters);
      const magnitude = parameters.get(MAGNITUDE)!;
      const { axis, normGradient } = config;
      const weight = slot.layer.weight.values;
      return slot.kind === "linear"
        ? new DoraLinear(lowRank, magnitude, axis, normGradient, weight)
        : new DoraEmbedding(lowRank, magnitude, normGradient, weight);
    },
    trainingHooks: savingScales,
    facts: lowRankFacts,
  },
  codec: {
    peftType: "LORA",
    isOwn: ({ use_dora: dora }) => dora === true,
    whyNotPeft: ({ axis }) => (axis === "in" ? "PEFT has no magnitudes along in" : undefined),
    defaults: LORA_DEFAULTS,
    parse: (file, json, metadata) =>
      doraConfig({ ...parseLoraKeys(file, json), ...checkedMetadata(dirname(file), metadataKeys, metadata) }),
    render: (config, paths) => renderLoraKeys(config, paths, true),
    sideFacts: ({ axis, normGradient }) => ({ axis, normGradient }),
    suffixes: [...LORA_SUFFIXES, MAGNITUDE],
    currentName: currentLoraName,
    contradiction(_config, tensors, paths) {
      const bare = paths.find((path) => !tensors.has(`${path}.${MAGNITUDE}`));
      return bare && `use_dora is true, but ${bare} has no ${MAGNITUDE}: one of them is wrong`;
    },
  },
};
