import { expect } from "vitest";
import type { Tensor } from "../../src/torch/index.js";

/** A tensor's elements as nested arrays, or what a case expects of them. */
export type Nested = number | boolean | readonly Nested[];

export function nested(tensor: Tensor): Nested {
  const values = tensor.toArray();
  const build = (shape: readonly number[], start: number): Nested => {
    const [size, ...rest] = shape;
    if (size === undefined) return values[start] as number;
    const stride = rest.reduce((product, next) => product * next, 1);
    return Array.from({ length: size }, (_, index) => build(rest, start + index * stride));
  };
  return build(tensor.shape, 0);
}

/** Fails unless both have the same shape and the same numbers, up to the rounding of float32. */
export function expectClose(actual: Nested, expected: Nested): void {
  if (Array.isArray(expected)) {
    expect(Array.isArray(actual) && actual.length, `shape of ${JSON.stringify(actual)}`).toBe(expected.length);
    expected.forEach((item, index) => void expectClose((actual as readonly Nested[])[index] as Nested, item));
  } else if (Number.isNaN(expected) || !Number.isFinite(Number(expected))) {
    expect(actual).toBe(expected);
  } else {
    const difference = Math.abs(Number(actual) - Number(expected));
    expect(difference, `${actual} instead of ${expected}`).toBeLessThanOrEqual(
      2e-6 * Math.max(1, Math.abs(Number(expected))),
    );
  }
}
