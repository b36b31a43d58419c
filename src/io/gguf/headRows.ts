import * as torch from "../../torch/index.js";
import type { GgufArchitecture } from "./architectures.js";

/** How many heads there are of queries, and of keys. */
export type HeadCounts = Readonly<Record<"attn_q" | "attn_k", number>>;

/** The heads that share a tensor's rows where these lie in another order than transformers', or undefined where they do not. */
export function headsOf(
  { interleavesHeads }: Pick<GgufArchitecture, "interleavesHeads">,
  tensor: string,
  counts: HeadCounts,
): number | undefined {
  const part = /^blk\.\d+\.(attn_q|attn_k)\./.exec(tensor)?.[1] as keyof HeadCounts | undefined;
  return part === undefined || !interleavesHeads ? undefined : counts[part];
}

/** Within a head, rows 0, 2, 4 … are its first half and rows 1, 3, 5 … its second. */
export function separateHalves(bytes: Uint8Array, rows: number, heads: number): Uint8Array {
  const rowBytes = bytes.length / rows;
  const half = rows / heads / 2;
  const out = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * half));
    const within = row % (2 * half);
    const from = head * 2 * half + (within % half) * 2 + Math.floor(within / half);
    out.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
  }
  return out;
}

/** The way back, of the values themselves: row i of a head's first half, then row i of its second. values: [rows, …] */
export function interleaveHalves(values: torch.Tensor, heads: number): torch.Tensor {
  const [rows, ...rest] = values.shape as [number, ...number[]];
  const halves = torch.reshape(values, [heads, 2, rows / heads / 2, ...rest]);
  return torch.reshape(torch.transpose(halves, 1, 2), values.shape);
}
