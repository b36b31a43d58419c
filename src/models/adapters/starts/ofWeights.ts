// Starts of A and B that depend on a weight alone, as PEFT has them. Shapes: W [out, in], A [r, in], B [out, r].

import { BidoraError } from "../../../base/index.js";
import * as torch from "../../../torch/index.js";
import type { LowRankMatrices } from "../lowRank.js";

/** The start of an update with scale s of a weight W in float64, of which s·B·A is a part. */
type PartOfWeight = (weight: torch.Tensor, rank: number, scale: number) => LowRankMatrices;

/**
 * The starts that take a part s·B·A out of the base, to train it.
 *
 * - `pissa` (arXiv 2404.02948): the largest singular values σ, B = U·√(σ/s) and A = √(σ/s)·Vᵀ
 * - `olora` (arXiv 2406.01775): the first columns and rows of W = Q·R, B = Q and A = R; s·B·A is s times a part of W
 */
export const PARTS_OF_WEIGHTS = { pissa, olora } satisfies Record<string, PartOfWeight>;

/**
 * By the eigenvectors of W·Wᵀ or Wᵀ·W, whichever is smaller: in float64 the large singular values are exact to more than float32's digits,
 * at a fraction of an SVD's time. Ranks that W lacks are zero.
 */
function pissa(weight: torch.Tensor, rank: number, scale: number): LowRankMatrices {
  const isTall = weight.shape[0]! > weight.shape[1]!;
  const wide = isTall ? torch.t(weight) : weight;
  // The eigenvalues of −W·Wᵀ ascend from −σ₁².
  const [negative, vectors] = torch.linalgEigh(torch.neg(torch.mm(wide, torch.t(wide))));
  const squares = torch.neg(torch.narrow(negative, 0, 0, rank));
  const isLacking = torch.logicalNot(torch.gtScalar(squares, leastSquare(torch.neg(negative))));
  const root = torch.sqrt(torch.sqrt(torch.maskedFill(squares, isLacking, 0))); // √σ
  const kept = torch.maskedFill(torch.narrow(vectors, 1, 0, rank), isLacking, 0); // the first r vectors of the smaller side
  const near = torch.divScalar(torch.mul(kept, root), Math.sqrt(scale));
  const divisor = torch.mulScalar(torch.maskedFill(root, isLacking, 1), Math.sqrt(scale));
  const far = torch.div(torch.mm(torch.t(kept), wide), torch.unsqueeze(divisor, 1)); // σ·vᵀ / √(σ·s)
  return isTall ? { a: torch.t(near), b: torch.t(far) } : { a: far, b: near };
}

/** The square of a singular value up to which it is rounding. squares: [n], descending */
export function leastSquare(squares: torch.Tensor): number {
  return Math.max(torch.max(squares).item() * squares.numel * Number.EPSILON, Number.MIN_VALUE);
}

/** The first r columns of Q come from the first r columns of W, by LAPACK's reflections with their signs; R's rows are Qᵀ·W. */
function olora(weight: torch.Tensor, rank: number): LowRankMatrices {
  const [b] = torch.linalgQr(torch.contiguous(torch.narrow(weight, 1, 0, rank)));
  return { a: torch.mm(torch.t(b), weight), b };
}

/**
 * @param taken how many parts of the weight's decomposition a rank takes
 * @throws BidoraError `ADAPTER_CONFIG` for a rank that the weight at `path` does not have
 */
export function requireRank(
  path: string,
  rank: number,
  { out, in: inner }: { readonly out: number; readonly in: number },
  taken = 1,
): void {
  const most = Math.floor(Math.min(out, inner) / taken);
  if (rank <= most) return;
  throw new BidoraError(
    "ADAPTER_CONFIG",
    `${path} is a matrix of ${out} × ${inner}, which a start of rank ${rank} cannot take a part of: take a rank of at most ${most}, or exclude the layer.`,
  );
}

/**
 * PiSSA's matrices with other signs: each row of A, with its column of B, may have either.
 * @param like the signs to take: a matrix whose columns are like those of B, [out, r or more]
 */
export function withSigns({ a, b }: LowRankMatrices, like: torch.Tensor): LowRankMatrices {
  const own = torch.narrow(torch.castTo(like, b.dtype), 1, 0, b.shape[1]!);
  const isOther = torch.gtScalar(torch.neg(torch.sumDim(torch.mul(own, b), [0])), 0); // r
  const signs = torch.maskedFill(torch.onesLike(torch.select(b, 0, 0)), isOther, -1);
  return { a: torch.mul(a, torch.unsqueeze(signs, 1)), b: torch.mul(b, signs) };
}

/** The left singular vectors as LAPACK gives them in float32, whose signs are those of PEFT's. weight: [out, in] */
export const vectorsOfSvd = (weight: torch.Tensor): torch.Tensor =>
  torch.linalgSvd(torch.castTo(weight, "float32"), false)[0];

/**
 * Random A and B whose product is zero, although neither is: the rows of an orthogonal matrix are split between them, and each half is
 * multiplied by random numbers / 10 (PEFT's `orthogonal`, with its order of draws).
 */
export function orthogonal(
  { out, in: inner }: { readonly out: number; readonly in: number },
  rank: number,
  generator: torch.Generator,
): LowRankMatrices {
  const half = rank / 2;
  // Drawn in float32 as PEFT's are, and multiplied in float64: the product is as near to zero as A and B can hold.
  const draw = (...shape: number[]) =>
    torch.castTo(torch.normal_(torch.empty(shape, { dtype: "float32" }), 0, 1, { generator }), "float64");
  const [q] = torch.linalgQr(draw(rank, rank));
  const pairs = torch.view(torch.contiguous(q), [half, 2, rank]);
  const [odd, even] = [torch.select(pairs, 1, 0), torch.select(pairs, 1, 1)]; // rows 1, 3, … and 2, 4, …
  const a = torch.t(torch.mm(draw(inner, half), odd));
  const b = torch.mm(torch.t(draw(half, out)), even);
  return { a: torch.divScalar(a, 10), b: torch.divScalar(b, 10) };
}
