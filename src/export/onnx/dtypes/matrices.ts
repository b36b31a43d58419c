/** What conversions of matrices share. */
import { halfBits, halfValues } from "../../../io/gguf/quantize.js";

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
