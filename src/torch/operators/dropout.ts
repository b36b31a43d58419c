// Dropout: y = x ∘ mask, with mask values 0 and 1 / (1 − p). The mask is computed from its key, or given.
import * as torch from "../index.js";
import { usesKernel } from "./choose.js";
import { type MaskKey, maskOf, philox, rowsBefore } from "./philox.js";

/** The mask of one use of dropout: a key for counter-based random numbers, or a tensor with values 0 and 1 / (1 − p). */
export type DropoutMask = MaskKey | torch.Tensor;

const KERNEL = { isTwiceDifferentiable: true };

/** x ∘ mask, of any shape. */
export function dropout(x: torch.Tensor, p: number, mask: DropoutMask): torch.Tensor {
  if (mask instanceof torch.Tensor) return torch.mul(x, mask);
  if (usesKernel(KERNEL, x)) return torch.dropout(x, p, mask.seed, mask.stream);
  const wide = x.dtype === "float64" ? "float64" : "float32";
  return torch.castTo(torch.mul(torch.castTo(x, wide), dropoutMask(x, p, mask, wide)), x.dtype);
}

/** Each group of 64 elements uses 16 counters, each of which yields four words. */
const [GROUP, COUNTERS] = [64, 16];

function dropoutMask({ shape, numel, device }: torch.Tensor, p: number, key: MaskKey, dtype: torch.DType) {
  return torch.noGrad(() => {
    const first = rowsBefore(key) * (numel / (shape[0] || 1));
    const begin = Math.floor(first / GROUP);
    const groups = Math.ceil((first + numel) / GROUP) - begin;
    const ahead = torch.arange(groups * COUNTERS, { dtype: "int64", device });
    const counter = torch.addScalar(ahead, begin * COUNTERS);
    const second = torch.shiftRight(counter, 32);
    const words = philox(key, torch.bitwiseAndScalar(counter, 2 ** 32 - 1), second, torch.zerosLike(counter));
    const rows = torch.stack(
      words.map((word) => torch.view(word, [groups, COUNTERS])),
      1,
    ); // groups,4,16
    return maskOf(torch.view(torch.narrow(torch.flatten(rows), 0, first - begin * GROUP, numel), shape), p, dtype);
  });
}
