// LoRA-GA (arXiv 2407.05000) with PEFT's defaults: direction ArB2r, scale "stable" with gamma 16. With the SVD G = U·S·Vᵀ of the mean
// gradient of a weight, A starts as the first r rows of Vᵀ and B as the next r columns of U·S, times out^¼ / √gamma; s·B·A is taken out of
// the base. PEFT's SVD is randomized, this one exact.
// Shapes: G [out, in], A [r, in], B [out, r]; a batch's input x [tokens, in], gradient of its output δ [tokens, out].

import * as torch from "../../../torch/index.js";
import type { LowRankMatrices } from "../lowRank.js";
import { type LowRankConfig, rankAndScale } from "../lowRankConfig.js";
import type { Slot } from "../targets.js";
import { inTurns, observing, signsOfLargest } from "./observe.js";
import { leastSquare, requireRank } from "./ofWeights.js";
import { requireDense } from "./start.js";

const GAMMA = 16;

/** What a batch shows of a layer. */
interface Shown {
  readonly x: torch.Tensor;
  readonly delta: torch.Tensor;
}

/** The passes that gradients are the mean of. */
export interface GradientPasses {
  /** Computes the mean loss of each batch and calls `onLoss` with it, within a scope. */
  run(onLoss: (loss: torch.Tensor) => void): void;
  readonly batches: number;
  /** The tokens of all batches. */
  readonly tokens: number;
}

/**
 * A and B of each layer by its path. No more than one gradient of a weight is in memory at a time.
 * @throws BidoraError `ADAPTER_CONFIG` for a packed weight, or one that has fewer than 2r ranks
 */
export function loraGaStart(
  slots: readonly Slot[],
  config: LowRankConfig,
  passes: GradientPasses,
): Map<string, LowRankMatrices> {
  const rankOf = ({ path }: Slot) => rankAndScale(config, path).rank;
  for (const slot of slots) requireDense(slot, "lora-ga");
  for (const slot of slots) requireRank(slot.path, rankOf(slot), slot, 2);
  const found = new Map<string, LowRankMatrices>();
  for (const turn of inTurns(slots, (slot) => 4 * passes.tokens * (slot.in + slot.out))) {
    for (const [slot, gradient] of gradientsOf(turn, passes)) {
      found.set(
        slot.path,
        torch.noGrad(() => torch.scope(() => start(gradient(), rankOf(slot)))),
      );
    }
  }
  return found;
}

/** The mean gradient of each layer's weight, computed on demand from what its batches have shown. */
function gradientsOf(slots: readonly Slot[], passes: GradientPasses): Map<Slot, () => torch.Tensor> {
  const shown = new Map(slots.map((slot) => [slot, [] as Shown[]] as const));
  // A layer alone may be too large to keep what it has shown.
  const sums = slots.length > 1 ? undefined : new Map<Slot, torch.Tensor>();
  const seen: { readonly slot: Slot; readonly x: torch.Tensor; readonly output: torch.Tensor }[] = [];
  const see = (slot: Slot, x: torch.Tensor, base: torch.Tensor): torch.Tensor => {
    const zero = torch.keep(torch.zerosLike(torch.detach(base))).setRequiresGrad(true);
    seen.push({ slot, x: torch.keep(torch.detach(x)), output: zero });
    return torch.add(base, zero);
  };
  const take = (loss: torch.Tensor): void => {
    const deltas = torch.grad(
      [loss],
      seen.map(({ output }) => output),
      { allowUnused: true },
    );
    for (const [i, { slot, x, output }] of seen.splice(0).entries()) {
      output.dispose();
      const delta = deltas[i];
      if (delta && sums) addTo(sums, slot, { x, delta });
      if (delta && !sums) shown.get(slot)!.push({ x, delta: torch.keep(torch.detach(delta)) });
      else x.dispose();
    }
  };
  observing(
    slots,
    (slot, x, layer) => see(slot, x, layer.base(x)),
    () => passes.run(take),
  );
  const meanOf = (slot: Slot) =>
    torch.divScalar(sums ? sumOf(slot, sums) : productsOf(slot, shown.get(slot)!), passes.batches);
  return new Map(slots.map((slot) => [slot, () => meanOf(slot)] as const));
}

const zeroOf = ({ out, in: width, layer }: Slot): torch.Tensor =>
  torch.zeros([out, width], { dtype: "float64", device: layer.weight.values.device });

function addTo(sums: Map<Slot, torch.Tensor>, slot: Slot, shown: Shown): void {
  torch.noGrad(() => {
    const sum = sums.get(slot) ?? torch.keep(zeroOf(slot));
    sums.set(slot, sum);
    torch.scope(() => void torch.add_(sum, product(shown)));
  });
}

function sumOf(slot: Slot, sums: ReadonlyMap<Slot, torch.Tensor>): torch.Tensor {
  const own = sums.get(slot);
  if (!own) return zeroOf(slot);
  const copy = torch.clone(own);
  own.dispose();
  return copy;
}

/** Σ δᵀ·x over the batches, which are released. */
function productsOf(slot: Slot, shown: readonly Shown[]): torch.Tensor {
  const sum = zeroOf(slot);
  for (const own of shown) {
    torch.scope(() => void torch.add_(sum, product(own)));
    own.x.dispose();
    own.delta.dispose();
  }
  return sum;
}

const product = ({ x, delta }: Shown): torch.Tensor =>
  torch.mm(torch.t(torch.castTo(delta, "float64")), torch.castTo(x, "float64"));

/** A and B from G, in float64: B is zero where G has no singular value. */
function start(gradient: torch.Tensor, rank: number): LowRankMatrices {
  const [out] = gradient.shape as [number, number];
  const { u, vt } = singular(gradient, 2 * rank);
  const b = torch.narrow(u, 1, rank, rank);
  return {
    a: torch.contiguous(torch.narrow(vt, 0, 0, rank)),
    b: torch.contiguous(torch.mulScalar(b, out ** 0.25 / Math.sqrt(GAMMA))),
  };
}

/** U·S [out, k] and Vᵀ [k, in] of the k largest singular values. The largest element of each row of Vᵀ is positive. */
function singular(matrix: torch.Tensor, k: number): { readonly u: torch.Tensor; readonly vt: torch.Tensor } {
  const [out, width] = matrix.shape as [number, number];
  const isWide = out < width;
  const gram = isWide ? torch.mm(matrix, torch.t(matrix)) : torch.mm(torch.t(matrix), matrix);
  const [negative, vectors] = torch.linalgEigh(torch.neg(gram)); // ascending from −σ₁²
  const squares = torch.neg(torch.narrow(negative, 0, 0, k));
  const isLacking = torch.logicalNot(torch.gtScalar(squares, leastSquare(torch.neg(negative))));
  const sigma = torch.sqrt(torch.maskedFill(squares, isLacking, 0));
  const own = torch.narrow(vectors, 1, 0, k);
  const vt = isWide
    ? torch.div(torch.mm(torch.t(own), matrix), torch.unsqueeze(torch.maskedFill(sigma, isLacking, 1), 1))
    : torch.t(own);
  const u = isWide ? torch.mul(own, sigma) : torch.maskedFill(torch.mm(matrix, own), isLacking, 0);
  const signs = signsOfLargest(vt);
  return { u: torch.mul(u, torch.select(signs, 1, 0)), vt: torch.mul(vt, signs) };
}
