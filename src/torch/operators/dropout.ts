// Dropout: y = x ∘ mask, with mask values 0 and 1 / (1 − p). The mask is given, or computed from its key by counter-based random numbers,
// bitwise equal to those of the kernels (native/kernels): Philox 4x32 with 7 rounds (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", 2011). All numbers are 32-bit, in int64 tensors of the same shape.
import * as torch from "../index.js";
import { usesKernel } from "./choose.js";

/** The mask of one use of dropout: a key for counter-based random numbers, or a tensor with values 0 and 1 / (1 − p). */
export type DropoutMask = MaskKey | torch.Tensor;

/** x ∘ mask, of any shape. */
export function dropout(x: torch.Tensor, p: number, mask: DropoutMask): torch.Tensor {
  if (mask instanceof torch.Tensor) return torch.mul(x, mask);
  if (usesKernel(x)) return torch.dropout(x, p, mask.seed, mask.stream);
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

/**
 * A key for counter-based random numbers: each element's number depends only on the key and the element's index, so any pass can
 * recompute a mask instead of keeping it.
 */
export interface MaskKey {
  /** Identifies the pass: an integer below 2⁵³. */
  readonly seed: number;
  /** The index of this use of dropout within the pass; and, times 2³², the number of rows or tokens of other ranks before the first. */
  readonly stream: number;
}

const WORD = 2 ** 32;

/** How many rows or tokens `stream` can count; a higher number starts again at 0. */
const MOST_BEFORE = 2 ** 21;

/**
 * The stream of a use of dropout.
 * @param before the number of rows (or tokens) of the whole batch before this rank's first: masks belong to rows, whichever rank has them
 */
export function streamOf(use: number, before: number): number {
  return use + (before % MOST_BEFORE) * WORD;
}

/** The number of rows (or tokens) before the first, from a stream. */
export const rowsBefore = ({ stream }: MaskKey): number => Math.floor(stream / WORD);
const ROUNDS = 7;
const [MULTIPLIER_0, MULTIPLIER_2] = [0xd2511f53, 0xcd9e8d57];
const [WEYL_0, WEYL_1] = [0x9e3779b9, 0xbb67ae85];

type Words = readonly [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor];

/** Four random words for each counter (first, second, third, stream). */
export function philox(
  { seed, stream }: MaskKey,
  first: torch.Tensor,
  second: torch.Tensor,
  third: torch.Tensor,
): Words {
  let words: Words = [first, second, third, torch.addScalar(torch.zerosLike(first), stream % WORD)];
  let [key0, key1] = [seed % WORD, Math.floor(seed / WORD)];
  for (let round = 0; round < ROUNDS; round++) {
    words = mixed(words, key0, key1);
    key0 = (key0 + WEYL_0) % WORD;
    key1 = (key1 + WEYL_1) % WORD;
  }
  return words;
}

function mixed([c0, c1, c2, c3]: Words, key0: number, key1: number): Words {
  const [product0, product2] = [torch.mulScalar(c0, MULTIPLIER_0), torch.mulScalar(c2, MULTIPLIER_2)];
  const xor = (a: torch.Tensor, b: torch.Tensor, key: number) => torch.bitwiseXorScalar(torch.bitwiseXor(a, b), key);
  return [xor(high(product2), c1, key0), low(product2), xor(high(product0), c3, key1), low(product0)];
}

/** The product of two 32-bit numbers may wrap around in int64, but no bit is lost. */
const high = (product: torch.Tensor): torch.Tensor => low(torch.shiftRight(product, 32));
const low = (product: torch.Tensor): torch.Tensor => torch.bitwiseAndScalar(product, WORD - 1);

/**
 * A dropout mask from random words: 0 with probability `p`, otherwise 1 / (1 − p).
 * @returns in the words' shape
 */
export function maskOf(words: torch.Tensor, p: number, dtype: torch.DType): torch.Tensor {
  const threshold = p < 1 ? Math.trunc(p * WORD) : WORD - 1;
  return torch.mulScalar(torch.castTo(torch.geScalar(words, threshold), dtype), p < 1 ? 1 / (1 - p) : 0);
}
