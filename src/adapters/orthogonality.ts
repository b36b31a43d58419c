// Shapes: W0 [out, in], A [r, in], B [out, r]; G0 = W0ᵀ·W0 [in, in]; norms and weights [in].
import { castTo, Linear } from "../nn/index.js";
import * as torch from "../torch/index.js";
import type { AdaptedModel } from "./adapted.js";
import { CANCELLATION, hasCancelled, SMALLEST_SQUARE, squaredBaseNorm } from "./directionNorm.js";
import type { LowRank } from "./lowRank.js";

/** A squared excess below this share of the columns is nothing: it counts as constant, since the root of zero has an infinite slope. */
const ROUNDING = 1e-12;

/**
 * BiDoRA's regulariser (section 3.3): R = mean over adapted linear layers of ‖DᵀD − I‖_F, where D is the direction
 * V = W0 + s·B·A with its columns scaled to unit length, whatever the magnitude's axis.
 *
 * Neither V nor DᵀD is built. With Z = W0ᵀ·B + ½·A'ᵀ·(BᵀB) and A' = s·A, VᵀV = G0 + L, L = Z·A' + (Z·A')ᵀ, and with
 * w = 1/‖v‖² by column
 *
 *     ‖DᵀD − I‖² = wᵀ(G0∘G0)w + 2·Σ w_i·w_j·G0_ij·L_ij + Σ w_i·w_j·L_ij² − in + 2·zeros
 *
 * whose terms cost O(in²·r). A column of zeros stays one in D: its w is 0, and on the left it counts (0 − 1)². G0 is computed
 * once for a layer, and read once for value and gradient together: the tiles on and above its diagonal, in the weight's dtype.
 *
 * One operator computes the values of all layers and their gradients; what it has no answer for, a second derivative or terms
 * that cancel, is computed by the formula.
 */
export class OrthogonalityRegularizer {
  readonly #layers: readonly LayerTerm[];

  constructor(adapted: AdaptedModel) {
    this.#layers = updatesOf(adapted).map(({ weight, lowRank }) => new LayerTerm(weight, lowRank));
  }

  /**
   * R (zero without any adapted linear layer), a scalar to be differentiated with respect to A and B.
   * @param differentiateTwice that it may be differentiated again
   */
  value(differentiateTwice = false): torch.Tensor {
    if (this.#layers.length === 0) return torch.zeros([]);
    return (differentiateTwice ? undefined : this.#fused()) ?? this.#formula();
  }

  #formula(): torch.Tensor {
    return torch.mean(torch.stack(this.#layers.map((layer) => layer.value())));
  }

  /** Undefined where a layer's terms cancel. */
  #fused(): torch.Tensor | undefined {
    const layers = this.#layers;
    const [value, isWhole] = torch.orthogonality(
      layers.map(({ weight }) => weight),
      layers.map(({ gram }) => gram),
      layers.map(({ squaredBase }) => squaredBase),
      layers.map(({ lowRank }) => lowRank.a),
      layers.map(({ lowRank }) => lowRank.b),
      layers.map(({ lowRank }) => lowRank.scale),
      CANCELLATION,
      SMALLEST_SQUARE,
    );
    return isWhole.item() ? value : undefined;
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

class LayerTerm {
  readonly gram: torch.Tensor;
  readonly squaredBase: torch.Tensor;

  constructor(
    readonly weight: torch.Tensor,
    readonly lowRank: LowRank,
  ) {
    const { dtype } = lowRank.a;
    this.gram = torch.keep(torch.gramTiles(weight));
    this.squaredBase = torch.keep(torch.noGrad(() => torch.scope(() => squaredBaseNorm(weight, "in", dtype))));
  }

  value(): torch.Tensor {
    const { a, b, scale } = this.lowRank;
    const scaledA = torch.mulScalar(a, scale); // r,in
    const projected = castTo(torch.mm(torch.t(castTo(b, this.weight.dtype)), this.weight), a.dtype); // r,in
    const turned = torch.mm(torch.mm(torch.t(b), b), scaledA); // r,in
    const z = torch.add(projected, turned, { alpha: 0.5 }); // r,in
    const squaredNorms = torch.add(this.squaredBase, torch.sumDim(torch.mul(scaledA, z), [0]), { alpha: 2 });
    const positive = torch.noGrad(() => torch.add(this.squaredBase, torch.sumDim(torch.mul(scaledA, turned), [0])));
    const { lengths, zeros } = setZerosApart(squaredNorms, positive);
    if (hasCancelled(lengths, positive)) return this.#directValue();
    const squared = this.#squaredFrobenius(scaledA, z, torch.reciprocal(lengths));
    const excess = torch.subScalar(squared, this.#columns - 2 * zeros);
    return excess.item() > CANCELLATION * this.#columns ? this.#root(excess) : this.#directValue();
  }

  get #columns(): number {
    return this.lowRank.a.shape[1] as number;
  }

  /** The definition, for columns that all but cancel, or are all but orthogonal. */
  #directValue(): torch.Tensor {
    const direction = torch.add(castTo(this.weight, this.lowRank.a.dtype), this.lowRank.product());
    const squaredNorms = squaredBaseNorm(direction, "in", direction.dtype);
    const { lengths } = setZerosApart(squaredNorms, squaredNorms);
    const unit = torch.mul(direction, torch.rsqrt(lengths));
    const identity = torch.eye(this.#columns, { dtype: unit.dtype });
    return this.#root(torch.sum(torch.square(torch.sub(torch.mm(torch.t(unit), unit), identity))));
  }

  #root(squared: torch.Tensor): torch.Tensor {
    return torch.sqrt(torch.clampMin(squared, this.#columns * ROUNDING));
  }

  /** ‖diag(w)^½ (G0 + Zᵀ·A' + A'ᵀ·Z) diag(w)^½‖², term by term. */
  #squaredFrobenius(a: torch.Tensor, z: torch.Tensor, w: torch.Tensor): torch.Tensor {
    const aw = torch.mul(a, w);
    const zw = torch.mul(z, w);
    const ofGram = torch.gramForm(this.gram, this.squaredBase, w, aw, zw); // wᵀ(G0∘G0)w + 4·⟨aw·G0, zw⟩
    const aa = torch.mm(aw, torch.t(a));
    const zz = torch.mm(zw, torch.t(z));
    const az = torch.mm(aw, torch.t(z));
    const own = torch.add(torch.sum(torch.mul(aa, zz)), torch.sum(torch.mul(az, torch.t(az)))); // ½ of Σ w_i·w_j·L_ij²
    return torch.add(ofGram, own, { alpha: 2 });
  }
}

/**
 * Squared norms by column with infinity in the place of zero, which scales such a column to zero with no slope.
 * @param positive their positive terms: zero for no column but one of zeros
 */
function setZerosApart(
  squaredNorms: torch.Tensor,
  positive: torch.Tensor,
): { readonly lengths: torch.Tensor; readonly zeros: number } {
  const isZero = torch.noGrad(() => torch.leScalar(positive, SMALLEST_SQUARE));
  const zeros = torch.sum(isZero).item();
  return { lengths: zeros === 0 ? squaredNorms : torch.maskedFill(squaredNorms, isZero, Infinity), zeros };
}
