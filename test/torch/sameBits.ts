import { expect } from "vitest";
import * as torch from "../../src/torch/index.js";

/**
 * Fails unless both tensors have the same type, shape and bytes, of finite values: 0 and -0 differ, and two sides that are both
 * NaN don't agree.
 */
export function expectSameBits(actual: torch.Tensor, expected: torch.Tensor, what?: string): void {
  expect([actual.dtype, actual.shape], what).toEqual([expected.dtype, expected.shape]);
  expect(torch.all(torch.isfinite(expected)).item(), what).toBe(1);
  expect(Buffer.compare(actual.bytes(), expected.bytes()), what).toBe(0);
}
