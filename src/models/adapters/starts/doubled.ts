// The plain form of an adapter whose start took a part out of the base, as PEFT converts it: for W0 − s·B0·A0 + s·B·A an update of
// W0 of twice the rank, s·[B, −B0]·[A; A0].

import * as torch from "../../../torch/index.js";
import type { AdaptedModel, SavedState, TrainingHooks } from "../adapted.js";
import type { Pattern } from "../adapterConfig.js";
import type { LowRankConfig } from "../lowRankConfig.js";
import { LOW_RANK_NAMES } from "../lowRankLayers.js";

/** Whether every layer has a part of its weight taken out. */
export const isDoubled = ({ modules }: Pick<AdaptedModel, "modules">): boolean =>
  modules.length > 0 && modules.every(({ adapter }) => adapter.lowRank?.removed !== undefined);

/** The same adapter for the base as it is. Magnitudes, biases and the head stay as they are. */
export function doubled<Saved extends SavedState>(state: Saved, { modules }: Pick<AdaptedModel, "modules">): Saved {
  const tensors = new Map(state.tensors);
  torch.noGrad(() => {
    for (const { path, kind, adapter } of modules) {
      const names = LOW_RANK_NAMES[kind];
      tensors.set(`${path}.${names.a}`, adapter.lowRank!.a);
      tensors.set(`${path}.${names.b}`, adapter.lowRank!.b);
    }
  });
  return { ...state, config: doubledConfig(state.config as LowRankConfig), tensors };
}

/** The same adapter in training, which files get in its plain form. What is taken out of the base is kept with the run's state. */
export function doubling<Adapted extends AdaptedModel>(adapted: Adapted): Adapted {
  const removed = adapted.modules.flatMap(({ path, adapter }) =>
    Object.entries(adapter.lowRank?.removed ?? {}).map(([key, tensor]) => [`${path}.removed.${key}`, tensor] as const),
  );
  const { hooks } = adapted;
  const saved: TrainingHooks["saved"] = (state) => doubled(hooks?.saved?.(state) ?? state, adapted);
  return { ...adapted, hooks: { ...hooks, memory: new Map(removed), saved } };
}

/** Twice the rank, with the same scale: alpha / r, or alpha / √r. */
function doubledConfig(config: LowRankConfig): LowRankConfig {
  const factor = config.rslora ? Math.SQRT2 : 2;
  return {
    ...config,
    rank: 2 * config.rank,
    alpha: factor * config.alpha,
    rankPattern: times(config.rankPattern, 2),
    alphaPattern: times(config.alphaPattern, factor),
    initLoraWeights: "default",
  };
}

const times = (pattern: Pattern, factor: number): Pattern =>
  Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, value * factor]));
