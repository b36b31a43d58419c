/** What conversions of matrices share. */
import { halfBits, halfValues } from "../../../../formats/gguf/index.js";
import * as torch from "../../../../torch/index.js";

/** Makes a value when it is first asked for, holds it for so many uses in all, and then makes it again. */
export function heldFor<T>(uses: number, make: () => T): () => T {
  let held: { readonly value: T; left: number } | undefined;
  return () => {
    held ??= { value: make(), left: uses };
    const { value } = held;
    held.left--;
    if (held.left === 0) held = undefined;
    return value;
  };
}

/** A number rounded to float16. */
export const roundedToHalf = (value: number): number => halfValues()[halfBits(value)] as number;

/** The number of elements that are converted at once, so that a large matrix is not held twice. */
const PART = 2 ** 22;

/** Calls `convert` with some rows of a float32 matrix after the other. @param convert gets [part of rows, columns] and the first row's index */
export function byRows(matrix: torch.Tensor, convert: (values: Float32Array, first: number) => void): void {
  const [rows = 0, columns = 1] = matrix.shape;
  const step = Math.max(1, Math.floor(PART / columns));
  for (let first = 0; first < rows; first += step) {
    const part = () => torch.contiguous(torch.narrow(matrix, 0, first, Math.min(step, rows - first))).toTypedArray();
    convert(torch.scope(part) as Float32Array, first);
  }
}
