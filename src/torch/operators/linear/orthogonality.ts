// BiDoRA's regularizer (section 3.3): R = mean over layers of ‖DᵀD − I‖_F, where D is V = W + s·B·A with its columns scaled to unit norm.
//
// Neither V nor DᵀD is built. With Z = Wᵀ·B + ½·A'ᵀ·(BᵀB) and A' = s·A, VᵀV = G + L, where G = WᵀW and L = Z·A' + (Z·A')ᵀ. With
// w = 1/‖v‖² of each column,
//
//     ‖DᵀD − I‖² = wᵀ(G∘G)w + 2·Σ w_i·w_j·G_ij·L_ij + Σ w_i·w_j·L_ij² − in + 2·zeros
//
// whose terms cost O(in²·r). A column of zeros stays zero in D: its w is 0, and it adds (0 − 1)² to the left side. G is computed once per
// layer and read once for both value and gradient.
// Shapes: W [out, in], A [r, in], B [out, r]; Z is stored as [r, in]; G [in, in]; norms and w [in].
import * as torch from "../../index.js";
import { usesKernel } from "../choose.js";
import { CANCELLATION, leastLeft, SMALLEST_SQUARE, squaredNorm } from "./directionNorm.js";
import type { LowRankFactors } from "./lowRankLinear.js";

/** A squared norm below this times the number of columns is rounding error. It counts as constant, as √ has an infinite slope at 0. */
const ROUNDING = 1e-12;

/** G with a separate diagonal, in the weight's dtype: for the kernels the tiles on and above the diagonal, otherwise the matrix. */
interface Gram {
  readonly isTiled: boolean;
  readonly tensor: torch.Tensor;
  /** G's diagonal, ‖w‖² of each column. */
  readonly diagonal: torch.Tensor;
}

/** @param dtype of the diagonal */
export function gramOf(weight: torch.Tensor, dtype: torch.DType): Gram {
  const isTiled = usesKernel(weight);
  const compute = () => ({
    tensor: isTiled ? torch.gramTiles(weight) : matrixWithoutDiagonal(weight),
    diagonal: squaredNorm(weight, "in", dtype),
  });
  const { tensor, diagonal } = torch.noGrad(() => torch.scope(compute));
  return { isTiled, tensor: torch.keep(tensor), diagonal: torch.keep(diagonal) };
}

function matrixWithoutDiagonal(weight: torch.Tensor): torch.Tensor {
  const wide = torch.castTo(weight, torch.wideDtype(weight.dtype));
  const identity = torch.eye(weight.shape[1]!, { dtype: wide.dtype, device: weight.device });
  const isDiagonal = torch.eqScalar(identity, 1);
  return torch.castTo(torch.maskedFill(torch.mm(torch.t(wide), wide), isDiagonal, 0), weight.dtype);
}

/** wᵀ(G∘G)w + 4·⟨p·G, q⟩ */
function gramForm({ isTiled, tensor, diagonal }: Gram, w: torch.Tensor, p: torch.Tensor, q: torch.Tensor) {
  if (isTiled) return torch.gramForm(tensor, diagonal, w, p, q);
  const matrix = torch.castTo(tensor, w.dtype);
  const squares = torch.add(torch.mv(torch.square(matrix), w), torch.mul(torch.square(diagonal), w));
  const products = torch.add(torch.mm(p, matrix), torch.mul(p, diagonal));
  return torch.add(torch.sum(torch.mul(squares, w)), torch.sum(torch.mul(products, q)), { alpha: 4 });
}

/** A layer's frozen weight, its `gramOf`, and its low-rank update. */
interface RegularizedLayer extends LowRankFactors {
  readonly weight: torch.Tensor;
  readonly gram: Gram;
}

const KERNEL = { isTwiceDifferentiable: false };

/** R, a scalar that is differentiable with respect to A and B. Uses the formula if terms cancel. @param layers at least one */
export function orthogonality(layers: readonly RegularizedLayer[]): torch.Tensor {
  return byKernel(layers) ?? byFormula(layers);
}

/** The terms of all layers, then the definition for those whose terms cancel: a device is waited for once. */
function byFormula(layers: readonly RegularizedLayer[]): torch.Tensor {
  const found = layers.map(ofLayer);
  const checks = torch.noGrad(() => torch.scope(() => torch.stack(found.flatMap(({ checks }) => checks)).toArray()));
  const values = layers.map((layer, i) => {
    const [left, excess] = checks.slice(2 * i, 2 * i + 2) as [number, number];
    const { value, columns } = found[i]!;
    return left > 0 && excess > CANCELLATION * columns ? value : byDefinition(layer);
  });
  return torch.mean(torch.stack(values));
}

/** Undefined if the kernel does not apply or a layer's terms cancel. */
function byKernel(layers: readonly RegularizedLayer[]): torch.Tensor | undefined {
  if (!layers.every(({ gram, weight }) => gram.isTiled && usesKernel(weight, KERNEL))) return undefined;
  const [value, isWhole] = torch.orthogonality(
    layers.map(({ weight }) => weight),
    layers.map(({ gram }) => gram.tensor),
    layers.map(({ gram }) => gram.diagonal),
    layers.map(({ a }) => a),
    layers.map(({ b }) => b),
    layers.map(({ scale }) => scale),
    CANCELLATION,
    SMALLEST_SQUARE,
  );
  return isWhole.item() ? value : undefined;
}

interface LayerValue {
  readonly value: torch.Tensor;
  readonly columns: number;
  /** What is left of the squared norms, and the squared value before it is used: unless both are large enough, terms cancel. */
  readonly checks: readonly [left: torch.Tensor, excess: torch.Tensor];
}

function ofLayer({ weight, gram, a, b, scale }: RegularizedLayer): LayerValue {
  const scaledA = torch.mulScalar(a, scale); // r,in
  const projected = torch.castTo(torch.mm(torch.t(torch.castTo(b, weight.dtype)), weight), a.dtype); // r,in
  const squaredA = torch.mm(torch.mm(torch.t(b), b), scaledA); // r,in
  const z = torch.add(projected, squaredA, { alpha: 0.5 }); // r,in
  const squaredNorms = torch.add(gram.diagonal, torch.sumDim(torch.mul(scaledA, z), [0]), { alpha: 2 });
  const positive = torch.noGrad(() => torch.add(gram.diagonal, torch.sumDim(torch.mul(scaledA, squaredA), [0])));
  const { lengths, zeros } = maskZeroColumns(squaredNorms, positive);
  const squared = squaredFrobenius(gram, scaledA, z, torch.reciprocal(lengths));
  const columns = a.shape[1]!;
  const counted = torch.addScalar(torch.mulScalar(zeros, -2), columns);
  const excess = torch.sub(squared, torch.castTo(counted, squared.dtype));
  return { value: root(excess, columns), columns, checks: [leastLeft(lengths, positive), excess] };
}

/** R by its definition, for columns that almost cancel or are almost orthogonal. */
function byDefinition({ weight, a, b, scale }: RegularizedLayer): torch.Tensor {
  const direction = torch.add(torch.castTo(weight, a.dtype), torch.mulScalar(torch.mm(b, a), scale));
  const squaredNorms = squaredNorm(direction, "in", direction.dtype);
  const { lengths } = maskZeroColumns(squaredNorms, squaredNorms);
  const unit = torch.mul(direction, torch.rsqrt(lengths));
  const columns = a.shape[1]!;
  const identity = torch.eye(columns, { dtype: unit.dtype, device: unit.device });
  return root(torch.sum(torch.square(torch.sub(torch.mm(torch.t(unit), unit), identity))), columns);
}

function root(squared: torch.Tensor, columns: number): torch.Tensor {
  return torch.sqrt(torch.clampMin(squared, columns * ROUNDING));
}

/** ‖diag(w)^½ (G + Zᵀ·A' + A'ᵀ·Z) diag(w)^½‖², term by term. */
function squaredFrobenius(gram: Gram, a: torch.Tensor, z: torch.Tensor, w: torch.Tensor): torch.Tensor {
  const aw = torch.mul(a, w);
  const zw = torch.mul(z, w);
  const ofGram = gramForm(gram, w, aw, zw);
  const aa = torch.mm(aw, torch.t(a));
  const zz = torch.mm(zw, torch.t(z));
  const az = torch.mm(aw, torch.t(z));
  const own = torch.add(torch.sum(torch.mul(aa, zz)), torch.sum(torch.mul(az, torch.t(az)))); // ½ of Σ w_i·w_j·L_ij²
  return torch.add(ofGram, own, { alpha: 2 });
}

/**
 * Replaces squared norms of zero by infinity, so that such columns are scaled to zero without a gradient.
 * @param positive their positive terms, which are zero only for a column of zeros
 */
function maskZeroColumns(
  squaredNorms: torch.Tensor,
  positive: torch.Tensor,
): { readonly lengths: torch.Tensor; readonly zeros: torch.Tensor } {
  const isZero = torch.noGrad(() => torch.leScalar(positive, SMALLEST_SQUARE));
  return { lengths: torch.maskedFill(squaredNorms, isZero, Infinity), zeros: torch.sum(isZero) };
}
