import * as torch from "../../torch/index.js";
import { gramOf, orthogonality } from "../../torch/operators/index.js";
import { Linear, type Weight } from "../nn/index.js";
import type { AdaptedModel } from "./adapted.js";
import type { LowRank } from "./lowRank.js";

/** BiDoRA's orthogonality regularizer over the adapted linear layers, for either axis of the magnitude. */
export class OrthogonalityRegularizer {
  readonly #layers: readonly {
    readonly weight: Weight;
    readonly lowRank: LowRank;
    readonly gram: ReturnType<typeof gramOf>;
  }[];

  constructor(private readonly adapted: AdaptedModel) {
    this.#layers = updatesOf(adapted).map(({ weight, lowRank }) => ({
      weight,
      lowRank,
      gram: torch.scope(() => gramOf(weight.dense(), lowRank.dtype)),
    }));
  }

  /** R (zero without any adapted linear layer), a scalar to be differentiated with respect to A and B. */
  value(): torch.Tensor {
    const layers = this.#layers.map(({ lowRank, ...layer }) => ({ ...layer, ...lowRank.factors }));
    if (layers.length === 0) return torch.zeros([], { device: this.adapted.model.device });
    if (layers.every(({ weight }) => weight.isDense))
      return orthogonality(layers.map(({ weight, ...layer }) => ({ weight: weight.tensor, ...layer })));
    return torch.mean(
      torch.stack(
        layers.map(({ weight, ...layer }) => weight.use((values) => orthogonality([{ weight: values, ...layer }]))),
      ),
    );
  }
}

/** Whether the regularizer covers any layer; otherwise it is zero and has no gradient. */
export function isRegularized(adapted: AdaptedModel): boolean {
  return updatesOf(adapted).length > 0;
}

/** The weights of adapted linear layers that the model uses, each with its low-rank update. */
function updatesOf({ modules }: AdaptedModel): { readonly weight: Weight; readonly lowRank: LowRank }[] {
  return modules
    .filter(({ layer }) => layer instanceof Linear && !layer.isUnused)
    .flatMap(({ layer, adapter: { lowRank } }) => (lowRank ? [{ weight: layer.weight.values, lowRank }] : []));
}
