// Attention on devices other than the CPU: by one of libtorch's fused operators, or by the formula.
import * as torch from "../../index.js";
import { usesFused } from "../choose.js";
import { efficient, type FusedAttention, flash, type Operands } from "./fusedAttention.js";
import { type AttentionLimits, type AttentionOptions, attendByFormula } from "./plainAttention.js";
import { rowLayout } from "./rows.js";

/** The best first. */
const FUSED: readonly FusedAttention[] = [flash, efficient];

/** q: [N, H·D], k and v: [M, G·D] → [N, H·D], for N queries, M keys, H heads, G key heads and head size D. */
export function attendOnDevice(
  q: torch.Tensor,
  k: torch.Tensor,
  v: torch.Tensor,
  options: AttentionOptions,
): torch.Tensor {
  const fused = FUSED.find((one) => serves(one, [q, k, v], options));
  return fused ? attendBy(fused, [q, k, v], options) : attendByFormula(q, k, v, options);
}

function serves(fused: FusedAttention, operands: Operands, { scores, dropout, heads, limits }: AttentionOptions) {
  const [q] = operands;
  if (!usesFused(q) || scores || dropout || !fused.dtypes.includes(q.dtype) || !fused.allows(limits)) return false;
  const headSize = (q.shape[1] as number) / heads;
  const requiresGrad = operands.some((operand) => operand.requiresGrad);
  return headSize % 8 === 0 && headSize <= fused.largest(requiresGrad) && isProven(fused, q);
}

function attendBy(fused: FusedAttention, [q, k, v]: Operands, options: AttentionOptions): torch.Tensor {
  const { heads, kvHeads } = options;
  const split = (x: torch.Tensor, parts: number) => torch.reshape(x, [x.shape[0] as number, parts, -1]);
  return torch.reshape(fused.attend([split(q, heads), split(k, kvHeads), split(v, kvHeads)], options), q.shape);
}

/** By operator, device and dtype. */
const rightness = new Map<string, boolean>();

function isProven(fused: FusedAttention, { device, dtype }: torch.Tensor): boolean {
  const key = `${fused.name} ${device} ${dtype}`;
  const found = rightness.get(key) ?? isRight(fused, device, dtype);
  rightness.set(key, found);
  return found;
}

/**
 * Whether a fused operator runs on a device with a dtype, and finds what the formula finds for examples. Not every card and not every
 * libtorch has each of them.
 */
export function isRight(fused: FusedAttention, device: string, dtype: torch.DType): boolean {
  const limits = EXAMPLES.filter((example) => fused.allows(example));
  try {
    return torch.noGrad(() => torch.scope(() => limits.every((example) => agrees(fused, device, dtype, example))));
  } catch (error) {
    if (error instanceof torch.TorchError) return false;
    throw error;
  }
}

/** All keys, causal, a sliding window, and a window to both sides. */
const EXAMPLES: readonly AttentionLimits[] = [
  { before: null, after: null },
  { before: null, after: 0 },
  { before: 2, after: 0 },
  { before: 1, after: 1 },
];

/** The largest difference of results, which are about 1; a wrong mask makes a larger one. */
const LARGEST_DIFFERENCE = 0.05;

function agrees(fused: FusedAttention, device: string, dtype: torch.DType, limits: AttentionLimits): boolean {
  const [layout, keyLayout] = [rowLayout([2, 5, 1], device), rowLayout([6, 5, 3], device)];
  const options = { heads: 2, kvHeads: 1, layout, keyLayout, limits, scale: 0.6 };
  const waves = (rows: number, width: number, frequency: number) => {
    const phases = torch.mulScalar(torch.arange(rows * width, { dtype: "float32", device }), frequency);
    return torch.to(torch.reshape(torch.sin(phases), [rows, width]), dtype);
  };
  const operands = [waves(8, 16, 0.7), waves(14, 8, 1.1), waves(14, 8, 1.9)] as const;
  const difference = torch.sub(attendBy(fused, operands, options), attendByFormula(...operands, options));
  return torch.max(torch.abs(difference)).item() < LARGEST_DIFFERENCE;
}
