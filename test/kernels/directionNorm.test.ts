import { describe, expect, test } from "vitest";
import { directionNorm, squaredBaseNorm } from "../../src/adapters/directionNorm.js";
import { LowRank } from "../../src/adapters/lowRank.js";
import * as torch from "../../src/torch/index.js";
import { differentiated, drawer, expectAlike } from "./support.js";

const SCALE = 1.5;

interface Direction {
  readonly weight: torch.Tensor;
  readonly a: torch.Tensor;
  readonly b: torch.Tensor;
}

/** Sizes that are multiples of nothing. */
function draw(dtype: torch.DType, trained: torch.DType): Direction {
  const normal = drawer(5);
  return { weight: normal([61, 77], dtype), a: normal([5, 77], trained), b: normal([61, 5], trained) };
}

/** The norms, and the gradients of their sum weighted by place, with respect to A and B. */
function norms({ weight, a, b }: Direction, norm: (squaredBase: torch.Tensor) => torch.Tensor) {
  const places = Array.from({ length: weight.shape[0] as number }, (_, i) => i);
  const value = norm(torch.noGrad(() => squaredBaseNorm(weight, "out", a.dtype)));
  return differentiated(value, [a, b], torch.tensor(places));
}

function expectSame(direction: Direction, tolerance: number): void {
  const { weight, a, b } = direction;
  for (const tensor of [a, b]) tensor.setRequiresGrad(true);
  const lowRank = new LowRank(a, b, undefined, SCALE, 0);
  const expected = norms(direction, (base) => directionNorm(weight, base, lowRank, "out"));
  const actual = norms(direction, (base) => torch.directionNorm(weight, base, a, b, SCALE));
  expectAlike(actual, expected, tolerance);
}

describe.each([
  ["float64", "float64", 1e-13],
  ["float32", "float32", 1e-5],
  ["bfloat16", "float32", 1e-2],
] as const)("the norms of a %s weight's direction", (dtype, trained, tolerance) => {
  test("and their gradients are the formula's", () => {
    expectSame(draw(dtype, trained), tolerance);
  });

  test("may be asked for without a gradient", () => {
    const { weight, a, b } = draw(dtype, trained);
    const norm = torch.directionNorm(weight, squaredBaseNorm(weight, "out", trained), a, b, SCALE);
    expect(norm.requiresGrad).toBe(false);
    expect(norm.dtype).toBe(trained);
  });
});

test("a row that the update cancels, and one of zeros, are measured as they are", () => {
  const direction = draw("float64", "float64");
  torch.copy_(direction.weight, torch.mulScalar(torch.mm(direction.b, direction.a), -SCALE * (1 - 1e-3)));
  torch.zero_(torch.narrow(direction.weight, 0, 0, 1));
  torch.zero_(torch.narrow(direction.b, 0, 0, 1));
  expectSame(direction, 1e-9);
});

test("has no second derivative, and says so", () => {
  const { weight, a, b } = draw("float64", "float64");
  a.setRequiresGrad(true);
  const norm = torch.directionNorm(weight, squaredBaseNorm(weight, "out", "float64"), a, b, SCALE);
  expect(() => torch.grad([torch.sum(norm)], [a], { createGraph: true })).toThrow(/no second derivative/);
});

test("sizes that do not fit are refused", () => {
  const { weight, a, b } = draw("float64", "float64");
  const base = squaredBaseNorm(weight, "out", "float64");
  expect(() => torch.directionNorm(weight, base, b, a, SCALE)).toThrow(/expected A of \[r, in\] and B of \[out, r\]/);
  expect(() => torch.directionNorm(weight, torch.ones([3]), a, b, SCALE)).toThrow(/squared norm for each of 61 rows/);
});
