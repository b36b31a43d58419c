import type { DType } from "./dtype.js";
import { to } from "./generated/operators.js";
import type { Tensor } from "./tensor.js";

/** The tensor in `dtype`: itself when it has it already. */
export function castTo(tensor: Tensor, dtype: DType): Tensor {
  return tensor.dtype === dtype ? tensor : to(tensor, dtype);
}
