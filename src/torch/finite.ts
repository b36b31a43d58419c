import { noGrad } from "./autograd.js";
import * as operators from "./generated/operators.js";
import { scope } from "./ownership.js";
import type { Tensor } from "./tensor.js";

/** True when every element is a finite number. Both its ends are: no copy is made. */
export function isAllFinite(tensor: Tensor): boolean {
  if (tensor.numel === 0) return true;
  const ends = () => [operators.min(tensor), operators.max(tensor)].map((end) => end.item());
  return noGrad(() => scope(ends)).every(Number.isFinite);
}
