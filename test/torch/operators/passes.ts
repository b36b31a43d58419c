import { twiceDifferentiable } from "../../../src/torch/operators/choose.js";

/** Runs a forward pass that is differentiated once, or twice. */
export function differentiable<T>(isTwice: boolean, pass: () => T): T {
  return isTwice ? twiceDifferentiable(pass) : pass();
}

/** Whether the tests run by formulas (npm run test:plain). */
export const isPlain = process.env.BIDORA_KERNELS === "plain";
