import type { ProfileRow } from "../turns/protocol.js";

/** The parts of a step, by the names of the operators that do the work; the first match wins. */
const PARTS: readonly (readonly [part: string, names: RegExp])[] = [
  ["linear layers with low-rank branches", /low_rank|LowRank|LinearFunction|bidora::linear|addmm|aten::mm|MmBackward/],
  [
    "direction norms, gains, regularizer",
    /direction_norm|DirectionNorm|direction_gain|DirectionGain|gram_form|GramForm|orthogonality/,
  ],
  ["attention", /attention|bmm|softmax/i],
  ["GELU", /gelu|ActivationFunction/],
  ["residuals and norms", /dropout_add_norm|DropoutAddNorm|layer_norm/],
  ["clipping and AdamW", /adamw|total_norm|scaled|vector_norm|clip/],
];

const REST = "everything else";

export const PART_NAMES: readonly string[] = [...PARTS.map(([part]) => part), REST];

export interface PartTime {
  readonly part: string;
  readonly milliseconds: number;
}

/** The parts of a step of `seconds`, in the order of `PART_NAMES`; time outside any operator counts as the rest. */
export function partsOf(kernels: readonly ProfileRow[], seconds: number): PartTime[] {
  const sums = new Map<string, number>(PARTS.map(([part]) => [part, 0]));
  for (const { name, milliseconds } of kernels) {
    const part = PARTS.find(([, names]) => names.test(name))?.[0];
    if (part !== undefined) sums.set(part, (sums.get(part) ?? 0) + milliseconds);
  }
  const named = [...sums].map(([part, milliseconds]) => ({ part, milliseconds }));
  const known = named.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return [...named, { part: REST, milliseconds: Math.max(0, seconds * 1000 - known) }];
}
