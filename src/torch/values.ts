// Helpers composed of several operators.
import { noGrad } from "./autograd.js";
import type { DType } from "./dtype.js";
import * as operators from "./generated/operators.js";
import { scope } from "./ownership.js";
import type { Tensor } from "./tensor.js";

/** The tensor in `dtype`; the tensor itself if it already has that dtype. */
export function castTo(tensor: Tensor, dtype: DType): Tensor {
  return tensor.dtype === dtype ? tensor : operators.to(tensor, dtype);
}

/** The tensor on a device; the tensor itself if it is already there. */
export function onDevice(tensor: Tensor, device: string): Tensor {
  return tensor.device === device ? tensor : operators.toDevice(tensor, device, tensor.dtype);
}

/** Whether all elements are finite, which holds if the minimum and maximum are. Makes no copy. */
export function isAllFinite(tensor: Tensor): boolean {
  if (tensor.numel === 0) return true;
  const ends = () => operators.stack([operators.min(tensor), operators.max(tensor)]).toArray();
  return noGrad(() => scope(ends)).every(Number.isFinite);
}
