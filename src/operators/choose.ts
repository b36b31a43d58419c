// The one place that decides between an operator's kernel (native/kernels) and its formula in libtorch's operators.
import { UsageError } from "../common/errors.js";
import type * as torch from "../torch/index.js";

/** What an operator's kernel can do. */
interface Kernel {
  /** Its gradients can be differentiated again. */
  readonly isTwiceDifferentiable: boolean;
}

/** The dtypes that kernels are compiled for. */
const KERNEL_DTYPES: ReadonlySet<torch.DType> = new Set(["float64", "float32", "bfloat16"]);

/** What the running code needs: any kernel, only kernels with a second derivative, or no kernel at all. */
type Demand = "any kernel" | "second derivatives" | "formulas";

let demand: Demand = "any kernel";

/** `BIDORA_KERNELS=plain` runs every operator by its formula; read once. */
let isPlain: boolean | undefined;

function readEnvironment(): boolean {
  const value = process.env.BIDORA_KERNELS ?? "";
  if (value === "" || value === "plain") return value === "plain";
  throw new UsageError(`BIDORA_KERNELS: expected "plain", which uses formulas instead of kernels, got "${value}".`);
}

/**
 * Whether an operator's kernel serves for `x` and the other operands, which are like it. Its formula serves where gradients are
 * differentiated twice and the kernel has no second derivative, on other devices than the CPU, for dtypes that kernels are not compiled
 * for, and under `BIDORA_KERNELS=plain`.
 */
export function usesKernel({ isTwiceDifferentiable }: Kernel, x: torch.Tensor): boolean {
  isPlain ??= readEnvironment();
  if (isPlain || demand === "formulas" || (demand === "second derivatives" && !isTwiceDifferentiable)) return false;
  return x.device === "cpu" && KERNEL_DTYPES.has(x.dtype);
}

function demanding<T>(wanted: Demand, body: () => T): T {
  const before = demand;
  if (before !== "formulas") demand = wanted;
  try {
    return body();
  } finally {
    demand = before;
  }
}

/**
 * Runs a forward pass whose gradients will be differentiated again: every operator called in it has a second derivative. `body` is
 * synchronous.
 */
export const twiceDifferentiable = <T>(body: () => T): T => demanding("second derivatives", body);

/** Runs `body` with every operator's formula. */
export const withFormulas = <T>(body: () => T): T => demanding("formulas", body);

/** Whether the running code's gradients will be differentiated again. */
export const isTwiceDifferentiable = (): boolean => demand === "second derivatives";
