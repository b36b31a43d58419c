// Helpers that several operators make up.
import { noGrad } from "./autograd.js";
import type { DType } from "./dtype.js";
import * as operators from "./generated/operators.js";
import { scope } from "./ownership.js";
import type { Tensor } from "./tensor.js";

/** The tensor in `dtype`: itself if it has that dtype already. */
export function castTo(tensor: Tensor, dtype: DType): Tensor {
  return tensor.dtype === dtype ? tensor : operators.to(tensor, dtype);
}

/** The tensor on a device: itself if it is there already. */
export function onDevice(tensor: Tensor, device: string): Tensor {
  return tensor.device === device ? tensor : operators.toDevice(tensor, device, tensor.dtype);
}

/** True when every element is a finite number: the smallest and the largest are. No copy is made. */
export function isAllFinite(tensor: Tensor): boolean {
  if (tensor.numel === 0) return true;
  const ends = () => [operators.min(tensor), operators.max(tensor)].map((end) => end.item());
  return noGrad(() => scope(ends)).every(Number.isFinite);
}
