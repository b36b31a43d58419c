import { expect } from "vitest";
import * as torch from "../../../src/torch/index.js";

/** Draws normal numbers, the same for the same seed. */
export function drawer(seed: number): (shape: readonly number[], dtype: torch.DType) => torch.Tensor {
  const generator = new torch.Generator(seed);
  return (shape, dtype) =>
    torch.to(torch.normal_(torch.empty(shape, { dtype: "float64" }), 0, 1, { generator }), dtype);
}

/** The largest difference, relative to the largest expected number. */
export function distance(actual: torch.Tensor, expected: torch.Tensor): number {
  return torch.noGrad(() => {
    const wanted = torch.to(expected, "float64");
    const difference = torch.max(torch.abs(torch.sub(torch.to(actual, "float64"), wanted))).item();
    return difference / torch.max(torch.abs(wanted)).item();
  });
}

/** A value and its gradients, from a gradient of it. */
export function differentiated(
  value: torch.Tensor,
  inputs: readonly torch.Tensor[],
  gradient: torch.Tensor,
): (torch.Tensor | undefined)[] {
  return [value, ...torch.grad([value], inputs, { gradOutputs: [torch.to(gradient, value.dtype)] })];
}

/** Element by element within `tolerance` of the largest. */
export function expectAlike(
  actual: readonly (torch.Tensor | undefined)[],
  expected: readonly (torch.Tensor | undefined)[],
  tolerance: number,
): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, tensor] of actual.entries()) expect(distance(tensor!, expected[i]!), `${i}`).toBeLessThan(tolerance);
}

/** What `compute` gives with so many threads. */
export function withThreads<T>(threads: number, compute: () => T): T {
  const before = torch.engineFacts().threads;
  torch.setThreads(threads);
  try {
    return compute();
  } finally {
    torch.setThreads(before);
  }
}

/** A row's bits depend neither on threads nor on other rows, nor on other weights in the same call. @param x [300, in] */
export function expectRowsAlone(x: torch.Tensor, weight: torch.Tensor, other: torch.Tensor): void {
  const all = withThreads(1, () => torch.fastLinear(x, weight));
  const same = (actual: torch.Tensor, expected: torch.Tensor) => expect(torch.equal(actual, expected)).toBe(true);
  for (const threads of [2, 3]) same(withThreads(threads, () => torch.fastLinear(x, weight)), all); // biome-ignore format: one line
  for (const rows of [1, 7, 16, 40]) same(torch.fastLinear(torch.narrow(x, 0, 9, rows), weight), torch.narrow(all, 0, 9, rows)); // biome-ignore format: one line
  const few = torch.narrow(x, 0, 9, 3);
  const weights = [other, weight, weight];
  for (const [i, result] of torch.fastLinears(few, weights, []).entries()) same(result, torch.fastLinear(few, weights[i]!)); // biome-ignore format: one line
}
