import { twiceDifferentiable } from "../../src/operators/choose.js";

/** Runs a forward pass that is differentiated once, or twice. */
export function differentiable<T>(isTwice: boolean, pass: () => T): T {
  return isTwice ? twiceDifferentiable(pass) : pass();
}
