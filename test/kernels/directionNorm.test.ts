import { describe, expect, test } from "vitest";
import { directionNorm, fusedDirectionNorm, squaredBaseNorm } from "../../src/adapters/directionNorm.js";
import { LowRank } from "../../src/adapters/lowRank.js";
import { Parameter } from "../../src/nn/index.js";
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

/** The operator with the limits that it has in use. */
const fused = (weight: torch.Tensor, squaredBase: torch.Tensor, a: torch.Tensor, b: torch.Tensor) =>
  fusedDirectionNorm(weight, squaredBase, new LowRank({ a: Parameter.of(a), b: Parameter.of(b) }, SCALE, 0));

/** The norms, and the gradients of their sum weighted by place, with respect to A and B. */
function norms({ weight, a, b }: Direction, norm: (squaredBase: torch.Tensor) => torch.Tensor) {
  const places = Array.from({ length: weight.shape[0] as number }, (_, i) => i);
  const value = norm(torch.noGrad(() => squaredBaseNorm(weight, "out", a.dtype)));
  return differentiated(value, [a, b], torch.tensor(places));
}

function expectSame(direction: Direction, tolerance: number): void {
  const { weight, a, b } = direction;
  for (const tensor of [a, b]) tensor.setRequiresGrad(true);
  const lowRank = new LowRank({ a: Parameter.of(a), b: Parameter.of(b) }, SCALE, 0);
  const expected = norms(direction, (base) => directionNorm(weight, base, lowRank, "out"));
  const actual = norms(direction, (base) => fused(weight, base, a, b));
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
    const norm = fused(weight, squaredBaseNorm(weight, "out", trained), a, b);
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

describe("rows of a bfloat16 weight that the update all but cancels", () => {
  /** W ≈ −s·B·A·(1 − rest) in each row, so that a squared norm keeps about rest² of its terms. */
  function cancelling(rest: number): Direction {
    const { a, b } = { a: drawer(7)([8, 300], "float32"), b: drawer(8)([40, 8], "float32") };
    const weight = torch.to(torch.mulScalar(torch.mm(b, a), -SCALE * (1 - rest)), "bfloat16");
    return { weight, a, b };
  }

  const precise = ({ weight, a, b }: Direction, axis: 0 | 1) =>
    torch.linalgVectorNorm(
      torch.add(torch.to(weight, "float64"), torch.mm(torch.to(b, "float64"), torch.to(a, "float64")), {
        alpha: SCALE,
      }),
      2,
      [axis],
    );

  test.each([0.06, 0.1, 0.3])("%d of a row is left: the norms are those of float64", (rest) => {
    torch.scope(() => {
      const direction = cancelling(rest);
      const { weight, a, b } = direction;
      const lowRank = new LowRank({ a: Parameter.of(a), b: Parameter.of(b) }, SCALE, 0);
      const out = squaredBaseNorm(weight, "out", "float32");
      const forms = [
        [fused(weight, out, a, b), precise(direction, 1)],
        [directionNorm(weight, out, lowRank, "out"), precise(direction, 1)],
        [directionNorm(weight, squaredBaseNorm(weight, "in", "float32"), lowRank, "in"), precise(direction, 0)],
      ] as const;
      for (const [i, [norm, expected]] of forms.entries()) expect(relative(norm, expected), `${i}`).toBeLessThan(1e-3);
    });
  });

  test("and their gradients too", () => {
    torch.scope(() => {
      const direction = cancelling(0.1);
      const { weight } = direction;
      const [a, b] = [direction.a.setRequiresGrad(true), direction.b.setRequiresGrad(true)];
      const actual = torch.grad([torch.sum(fused(weight, squaredBaseNorm(weight, "out", "float32"), a, b))], [a, b]);
      const expected = torch.grad([torch.sum(precise(direction, 1))], [a, b]);
      expectAlike(actual, expected, 1e-3);
    });
  });

  /** The largest difference of a number, relative to it. */
  const relative = (actual: torch.Tensor, expected: torch.Tensor) =>
    torch.max(torch.abs(torch.subScalar(torch.div(torch.to(actual, "float64"), expected), 1))).item();
});

test("has no second derivative, and says so", () => {
  const { weight, a, b } = draw("float64", "float64");
  a.setRequiresGrad(true);
  const norm = fused(weight, squaredBaseNorm(weight, "out", "float64"), a, b);
  expect(() => torch.grad([torch.sum(norm)], [a], { createGraph: true })).toThrow(/no second derivative/);
});

test("sizes that do not fit are refused", () => {
  const { weight, a, b } = draw("float64", "float64");
  const base = squaredBaseNorm(weight, "out", "float64");
  expect(() => fused(weight, base, b, a)).toThrow(/expected A of \[r, in\] and B of \[out, r\]/);
  expect(() => fused(weight, torch.ones([3]), a, b)).toThrow(/squared norm for each of 61 rows/);
});
