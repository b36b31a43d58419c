// Attention on devices other than the CPU: by one of libtorch's fused operators for CUDA, or by the formula. The fused operators read packed
// rows as they are and keep nothing of size N·M, but have no second derivative.
// Shapes: N queries, M keys, H heads, G key heads, head size D, B rows.
import * as calls from "../../generated/recordedCalls.js";
import * as torch from "../../index.js";
import { usesFused } from "../choose.js";
import { byFormula } from "../formulaRule.js";
import type { Rule } from "../rule.js";
import { type AttentionLimits, type AttentionOptions, attendByFormula } from "./plainAttention.js";
import { type RowLayout, rowLayout } from "./rows.js";

/** Queries, keys and values. */
export type Operands = readonly [q: torch.Tensor, k: torch.Tensor, v: torch.Tensor];

/** One of libtorch's fused operators. */
export interface FusedAttention {
  readonly name: string;
  readonly dtypes: readonly torch.DType[];
  allows(limits: AttentionLimits): boolean;
  /** The largest head size. */
  largest(requiresGrad: boolean): number;
  /** q: [N, H, D], k and v: [M, G, D] → [N, H, D]. Options besides these are ignored. */
  attend(operands: Operands, options: AttentionOptions): torch.Tensor;
}

/** What libtorch's operators take for a window that is not limited. */
const UNLIMITED = -1;

/** FlashAttention (arXiv 2307.08691), called as `torch.nn.attention.varlen` calls it: causal attention without a window has a flag. */
export const flash: FusedAttention = {
  name: "flash",
  dtypes: ["float16", "bfloat16"],
  allows: () => true,
  largest: (requiresGrad) => (requiresGrad ? 192 : 256),
  attend([q, k, v], { limits: { before, after }, scale, ...rows }) {
    const { starts, longest } = spansOf(rows);
    const window = { windowSizeLeft: before ?? UNLIMITED, windowSizeRight: after ?? UNLIMITED };
    const isCausal = before === null && after === 0;
    const [found] = torch.flashAttention(q, k, v, ...starts, ...longest, 0, isCausal, false, { scale, ...window });
    return found;
  },
};

/** Types of masks of `_efficient_attention_forward`. */
const [NO_MASK, CAUSAL_FROM_BOTTOM_RIGHT] = [0, 2];

/** Memory-efficient attention (arXiv 2112.05682). It takes a batch of one, a key head for each query head, and no window to both sides. */
export const efficient: FusedAttention = {
  name: "efficient",
  dtypes: ["float32", "float16", "bfloat16"],
  allows: ({ before, after }) => before === null && (after === null || after === 0),
  largest: () => 256,
  attend([q, k, v], { limits, scale, heads, kvHeads, ...rows }) {
    const { starts, longest } = spansOf(rows);
    const ofHeads = (x: torch.Tensor) => (heads === kvHeads ? x : torch.repeatInterleave(x, heads / kvHeads, 1));
    const [one, two, three] = [q, ofHeads(k), ofHeads(v)].map((x) => torch.unsqueeze(x, 0)) as [...Operands];
    const mask = limits.after === 0 ? CAUSAL_FROM_BOTTOM_RIGHT : NO_MASK;
    const spans = [...starts, ...longest] as const;
    const [found] = torch.efficientAttention(one, two, three, null, ...spans, 0, mask, isRecorded(q, k, v), { scale });
    return torch.squeeze(found, 0);
  },
};

/** The backward pass needs the sums of the exponentials. */
const isRecorded = (...operands: readonly torch.Tensor[]): boolean => operands.some((operand) => operand.requiresGrad);

/** The offsets of the rows of queries and of keys, [B + 1] int32, and the lengths of the longest. */
function spansOf({ layout, keyLayout }: Pick<AttentionOptions, "layout" | "keyLayout">) {
  const offsets = ({ cuSeqlens }: RowLayout) => torch.to(cuSeqlens, "int32");
  const longest = ({ lengths }: RowLayout) => lengths.reduce((a, b) => Math.max(a, b));
  return {
    starts: [offsets(layout), offsets(keyLayout)],
    longest: [longest(layout), longest(keyLayout)],
  } as const;
}

export const flashAttentionRule: Rule = byFormula((state, inputs) => {
  const { scale, windowSizeLeft: before, windowSizeRight: after } = calls.flashAttentionCall(state.call);
  return [formulaOf(inputs, { before: limitOf(before), after: limitOf(after) }, scale)];
});

export const efficientAttentionRule: Rule = byFormula((state, [q, k, v, ...starts]) => {
  const { scale, customMaskType } = calls.efficientAttentionCall(state.call);
  const limits = { before: null, after: customMaskType === NO_MASK ? null : 0 };
  const rows = [q, k, v].map((x) => torch.squeeze(x!, 0));
  return [torch.unsqueeze(formulaOf([...rows, ...starts], limits, scale), 0)];
});

const limitOf = (window: number | null): number | null => (window === UNLIMITED ? null : window);

/** The formula for the tensors of a recorded call: q, k, v and the offsets of the rows of queries and of keys. */
function formulaOf(inputs: readonly torch.Tensor[], limits: AttentionLimits, scale: number | null): torch.Tensor {
  const [q, k, v, ofQueries, ofKeys] = inputs as readonly [...Operands, torch.Tensor, torch.Tensor];
  const [heads, kvHeads] = [q, k].map(({ shape }) => shape[1]!) as [number, number];
  const [layout, keyLayout] = [layoutOf(ofQueries), layoutOf(ofKeys)];
  const flat = (x: torch.Tensor) => torch.flatten(x, 1);
  const options = { heads, kvHeads, layout, keyLayout, limits, scale: scale! };
  return torch.reshape(attendByFormula(flat(q), flat(k), flat(v), options), q.shape);
}

function layoutOf(offsets: torch.Tensor): RowLayout {
  const ends = offsets.toArray();
  return rowLayout(
    ends.slice(1).map((end, i) => end - ends[i]!),
    offsets.device,
  );
}

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

function serves(fused: FusedAttention, operands: Operands, { bias, scores, dropout, heads, limits }: AttentionOptions) {
  const [q] = operands;
  if (!usesFused(q) || bias || scores || dropout || !fused.dtypes.includes(q.dtype) || !fused.allows(limits))
    return false;
  const headSize = q.shape[1]! / heads;
  const requiresGrad = operands.some((operand) => operand.requiresGrad);
  return headSize % 8 === 0 && headSize <= fused.largest(requiresGrad) && isProven(fused, q);
}

function attendBy(fused: FusedAttention, [q, k, v]: Operands, options: AttentionOptions): torch.Tensor {
  const { heads, kvHeads } = options;
  const split = (x: torch.Tensor, parts: number) => torch.reshape(x, [x.shape[0]!, parts, -1]);
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
