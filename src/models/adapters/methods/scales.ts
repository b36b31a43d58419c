// A factor c of each low-rank update, for an upper level: W0 + c·s·B·A. Files have it in the update's alpha.

import { Linear } from "../../nn/index.js";
import { type AdaptedModel, type SavedState, TrainedTensor, type TrainingHooks } from "../adapted.js";
import { type LowRankConfig, patternByPath, rankAndScale } from "../lowRankConfig.js";

/** Adds a factor of 1 to each low-rank update without one. @returns the factors, numbers of shape [] */
export function trainScales({ modules }: AdaptedModel): TrainedTensor[] {
  return modules.flatMap(({ path, layer, adapter: { lowRank } }) => {
    if (!lowRank) return [];
    const decays = !(layer instanceof Linear && layer.isUnused);
    const factor = new TrainedTensor(`${path}.scale_factor`, lowRank.addFactor(), "upper", decays);
    factor.tensor.setRequiresGrad(true);
    return [factor];
  });
}

/** Each factor c, by the path of its layer. */
export function scaleFactors({ modules }: Pick<AdaptedModel, "modules">): Map<string, number> {
  const found = modules.flatMap(({ path, adapter: { lowRank } }) =>
    lowRank?.factor === undefined ? [] : [[path, lowRank.factor] as const],
  );
  return new Map(found);
}

/** What training with factors adds to a method: a file gets alpha·c for every layer instead of its alpha, with A and B as they are. */
export const savingScales = (adapted: Pick<AdaptedModel, "modules">): TrainingHooks => ({
  saved: (state) => withScales(state, scaleFactors(adapted)),
});

function withScales<Saved extends SavedState>(state: Saved, factors: ReadonlyMap<string, number>): Saved {
  if (factors.size === 0) return state;
  const config = state.config as LowRankConfig;
  const alphas = Array.from(factors, ([path, c]) => [path, rankAndScale(config, path).alpha * c] as const);
  return { ...state, config: { ...config, alphaPattern: patternByPath(new Map(alphas)) } };
}
