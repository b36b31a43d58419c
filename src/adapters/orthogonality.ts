import { Linear } from "../nn/index.js";
import { gramOf, orthogonality } from "../operators/orthogonality.js";
import * as torch from "../torch/index.js";
import type { AdaptedModel } from "./adapted.js";
import type { LowRank } from "./lowRank.js";

/** BiDoRA's regulariser of the adapted linear layers, whatever the magnitude's axis. */
export class OrthogonalityRegularizer {
  readonly #layers: readonly {
    readonly weight: torch.Tensor;
    readonly lowRank: LowRank;
    readonly gram: ReturnType<typeof gramOf>;
  }[];

  constructor(adapted: AdaptedModel) {
    this.#layers = updatesOf(adapted).map(({ weight, lowRank }) => ({
      weight,
      lowRank,
      gram: gramOf(weight, lowRank.a.dtype),
    }));
  }

  /** R (zero without any adapted linear layer), a scalar to be differentiated with respect to A and B. */
  value(): torch.Tensor {
    if (this.#layers.length === 0) return torch.zeros([]);
    return orthogonality(this.#layers.map(({ lowRank, ...layer }) => ({ ...layer, ...lowRank.factors })));
  }
}

/** Whether there is anything that the regulariser counts: it is zero else, and no gradient comes of it. */
export function isRegularized(adapted: AdaptedModel): boolean {
  return updatesOf(adapted).length > 0;
}

/** Weights of adapted linear layers that the model computes with, each with its low-rank update. */
function updatesOf({ modules }: AdaptedModel): { readonly weight: torch.Tensor; readonly lowRank: LowRank }[] {
  return modules
    .filter(({ layer }) => layer instanceof Linear && !layer.isUnused)
    .flatMap(({ layer, adapter: { lowRank } }) => (lowRank ? [{ weight: layer.weight.tensor, lowRank }] : []));
}
