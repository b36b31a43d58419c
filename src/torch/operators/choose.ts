// Chooses between an operator's kernel (native/kernels) and its formula in libtorch's operators; nothing else does.
import { UsageError } from "../../base/index.js";
import * as torch from "../index.js";

/** The dtypes that kernels are compiled for. */
const KERNEL_DTYPES: ReadonlySet<torch.DType> = new Set(["float64", "float32", "bfloat16"]);

/** Whether `BIDORA_KERNELS=plain`, which runs every operator's formula; read once. */
let isPlain: boolean | undefined;

/** Whether the running code's gradients will be differentiated again. */
let isTwice = false;

function readEnvironment(): boolean {
  const value = process.env.BIDORA_KERNELS ?? "";
  if (value === "" || value === "plain") return value === "plain";
  throw new UsageError(`BIDORA_KERNELS: expected "plain", which uses formulas instead of kernels, got "${value}".`);
}

function runsFormulas(): boolean {
  isPlain ??= readEnvironment();
  return isPlain;
}

/**
 * Whether to use an operator's kernel for `x` and its other operands, which have the same device and dtype. The formula is used if
 * gradients are differentiated twice and the kernel has no second derivative, on devices other than the CPU, for dtypes that kernels are
 * not compiled for, and under `BIDORA_KERNELS=plain`.
 * @param kernel whether the gradients of the kernel can be differentiated again
 */
export function usesKernel(x: torch.Tensor, kernel = { isTwiceDifferentiable: true }): boolean {
  if (runsFormulas() || (isTwice && !kernel.isTwiceDifferentiable)) return false;
  return x.device === "cpu" && KERNEL_DTYPES.has(x.dtype);
}

/** Whether to use libtorch's fused operators for CUDA, which have no second derivative. */
export function usesFused({ device }: torch.Tensor): boolean {
  return device.startsWith("cuda") && !isTwice && !runsFormulas();
}

/** Whether products can round their inputs to int8. */
export const canRoundInputs = (): boolean => torch.engineFacts().byteProducts && !runsFormulas();

/**
 * Runs a forward pass whose gradients will be differentiated again: every operator in it has a second derivative. `body` must be
 * synchronous.
 */
export function twiceDifferentiable<T>(body: () => T): T {
  const before = isTwice;
  isTwice = true;
  try {
    return body();
  } finally {
    isTwice = before;
  }
}

/** Runs `body` with formulas instead of kernels. */
export function withFormulas<T>(body: () => T): T {
  const before = isPlain;
  isPlain = true;
  try {
    return body();
  } finally {
    isPlain = before;
  }
}

/** Whether the running code's gradients will be differentiated again. */
export const isTwiceDifferentiable = (): boolean => isTwice;

/** What a result's last bits depend on besides the number of threads: libtorch's version, the instructions and the kernels. */
export function arithmetic(): string {
  const { torchVersion, cpuCapability, isaVariant, tiles } = torch.engineFacts();
  const kernels = runsFormulas() ? "no kernels (BIDORA_KERNELS=plain)" : isaVariant;
  return `libtorch ${torchVersion}, ${cpuCapability}, ${kernels}${tiles ? " and AMX" : ""}`;
}
