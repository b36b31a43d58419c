// LoftQ (arXiv 2310.08659) with one iteration, as PEFT's `replace_lora_weights_loftq`: the base stays what packing makes of it, and s·B·A
// starts as the closest matrix of rank r to what packing took away. PEFT leaves out s.
// Shapes: W and the packed values Q [out, in]; R = W − Q, or its transpose, [n, m] with n ≤ m; A [r, in], B [out, r].

import { UsageError } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import type { Parameter } from "../nn/index.js";
import type { AdaptedModel, AdaptedModule } from "./adapted.js";
import type { LowRank } from "./lowRank.js";

/** Readers of the values that packed weights were made from, [out, in]. */
type Originals = ReadonlyMap<Parameter, (dtype: torch.DType) => torch.Tensor>;

/**
 * Starts the updates of a new adapter from the error of the base's packed weights, one layer at a time. Other layers keep their start.
 * The ranks share the work, and get the same values.
 * @throws UsageError if no adapted layer is packed
 */
export function startFromError({ modules }: AdaptedModel, originals: Originals, ranks: torch.Ranks): void {
  const packed = modules.filter(({ layer }) => originals.has(layer.weight));
  if (packed.length === 0) throw nothingPacked();
  torch.noGrad(() => {
    for (const [i, module] of packed.entries()) {
      if (i % ranks.size === ranks.rank) torch.scope(() => startOne(module, originals));
      else for (const tensor of tensorsOf(module)) torch.zero_(tensor);
    }
    if (ranks.size > 1) torch.scope(() => addUp(packed.flatMap(tensorsOf), ranks));
  });
}

function nothingPacked(): UsageError {
  return new UsageError(
    "No effect: --init-lora-weights loftq starts from what --base-dtype rounds off, but every layer to adapt is dense, or packed in the model's own file; leave it out.",
  );
}

const tensorsOf = ({ adapter }: AdaptedModule): torch.Tensor[] =>
  Array.from(adapter.ownParameters.values(), ({ tensor }) => tensor);

/** Every rank gets the values of the one that has any. */
function addUp(tensors: readonly torch.Tensor[], ranks: torch.Ranks): void {
  for (const [i, sum] of ranks.sum(tensors).entries()) torch.copy_(tensors[i]!, sum);
}

function startOne({ layer, adapter }: AdaptedModule, originals: Originals): void {
  const { weight } = layer;
  const { dtype } = adapter;
  const error = torch.scope(() => {
    const lost = torch.sub(originals.get(weight)!(dtype), weight.values.dense(dtype));
    return torch.castTo(lost, "float64");
  });
  setProduct(adapter.lowRank!, error);
  adapter.restart(layer);
}

/**
 * Sets A and B so that s·B·A is the closest matrix of their rank to R, with A and B of the same norms. Ranks that R lacks keep their start:
 * zeros in both would have no gradient.
 */
function setProduct({ a, b, scale, rank }: LowRank, error: torch.Tensor): void {
  const isTall = error.shape[0]! > error.shape[1]!;
  const residual = isTall ? torch.t(error) : error;
  // The eigenvalues of −R·Rᵀ ascend from −σ₁².
  const [negative, u] = torch.linalgEigh(torch.neg(torch.mm(residual, torch.t(residual))));
  const kept = Math.min(rank, rankOf(torch.neg(negative)));
  const sigma = torch.sqrt(torch.neg(torch.narrow(negative, 0, 0, kept)));
  const left = torch.narrow(u, 1, 0, kept);
  const right = torch.mm(torch.t(left), residual); // σ·vᵀ
  const [scaledLeft, scaledRight] = [
    torch.mul(left, torch.sqrt(torch.divScalar(sigma, scale))),
    torch.div(right, torch.unsqueeze(torch.sqrt(torch.mulScalar(sigma, scale)), 1)),
  ];
  torch.copy_(torch.narrow(b, 1, 0, kept), isTall ? torch.t(scaledRight) : scaledLeft);
  torch.copy_(torch.narrow(a, 0, 0, kept), isTall ? torch.t(scaledLeft) : scaledRight);
}

/** The number of squared singular values that are more than rounding. squares: [n], descending */
function rankOf(squares: torch.Tensor): number {
  const least = torch.max(squares).item() * squares.numel * Number.EPSILON;
  return torch.sum(torch.gtScalar(squares, Math.max(least, Number.MIN_VALUE))).item();
}
