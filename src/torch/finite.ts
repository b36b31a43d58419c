import { noGrad } from "./autograd.js";
import * as operators from "./generated/operators.js";
import { scope } from "./ownership.js";
import type { Tensor } from "./tensor.js";

/** True when every element is a finite number. */
export function isAllFinite(tensor: Tensor): boolean {
  if (tensor.numel === 0) return true;
  return noGrad(() => scope(() => Number.isFinite(operators.amax(operators.abs(tensor)).item())));
}
