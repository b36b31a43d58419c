import { expect } from "vitest";
import type { Tensor } from "../../../src/torch/index.js";

type Named = ReadonlyMap<string, Tensor>;

/** ‖a − b‖ / ‖b‖ over all tensors together, as one vector. Both must have the same names and shapes. */
export function distance(a: Named, b: Named): number {
  return Math.sqrt(sumOver(a, b, (x, y) => (x - y) ** 2) / sumOver(b, b, (x, y) => x * y));
}

/** The relative error of the update from `start` to `end`, over all tensors together. */
export function updateError(start: Named, end: Named, expected: Named): number {
  const moved = sumOver(expected, start, (x, y) => (x - y) ** 2);
  return Math.sqrt(sumOver(end, expected, (x, y) => (x - y) ** 2) / moved);
}

export function cosine(a: Named, b: Named): number {
  const product = (x: Named, y: Named) => sumOver(x, y, (p, q) => p * q);
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b));
}

/** The tensors of a list by the given names. */
export function named(names: readonly { readonly name: string }[], tensors: readonly Tensor[]): Map<string, Tensor> {
  expect(tensors.length).toBe(names.length);
  return new Map(names.map(({ name }, i) => [name, tensors[i]!]));
}

function sumOver(a: Named, b: Named, term: (x: number, y: number) => number): number {
  expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
  let sum = 0;
  for (const [name, tensor] of a) {
    const other = b.get(name)!;
    expect(tensor.shape, name).toEqual(other.shape);
    const [x, y] = [tensor.toArray(), other.toArray()];
    for (const [i, value] of x.entries()) sum += term(value, y[i]!);
  }
  return sum;
}

/** Expects each number of a log within `tolerance` of the expected one, relative to the largest. */
export function expectLog(
  actual: readonly number[],
  expected: readonly number[],
  tolerance: number,
  what: string,
): void {
  expect(actual.length, what).toBe(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)));
  expect(worst / scale, what).toBeLessThan(tolerance);
}

/** Whether this is a bias of attention keys: it adds a constant to all scores of a query, so its gradient is zero up to rounding. */
export const isKeyBias = (name: string): boolean => /(key|\.k)\.(base_layer\.)?bias$/.test(name);
