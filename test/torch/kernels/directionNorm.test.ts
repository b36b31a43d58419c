import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import {
  directionGain,
  directionNorm,
  directionNormByFormula,
  gainOf,
  type NormGradient,
  squaredNorm,
} from "../../../src/torch/operators/linear/directionNorm.js";
import { expectSameBits } from "../sameBits.js";
import { differentiated, drawer, expectAlike, withThreads } from "./support.js";

const SCALE = 1.5;

interface Direction {
  readonly weight: torch.Tensor;
  readonly a: torch.Tensor;
  readonly b: torch.Tensor;
}

/** Sizes that are multiples of nothing, unless given. */
function draw(dtype: torch.DType, trained: torch.DType, [out, width, rank] = [61, 77, 5]): Direction {
  const normal = drawer(5);
  return { weight: normal([out, width], dtype), a: normal([rank, width], trained), b: normal([out, rank], trained) };
}

/** By the formula. */
const plain = ({ weight, a, b }: Direction, squaredBase: torch.Tensor, axis: "out" | "in" = "out") =>
  directionNormByFormula({ weight, squaredBase, a, b, scale: SCALE }, axis);

/** The operator with the limits that it has in use. */
const fused = (weight: torch.Tensor, squaredBase: torch.Tensor, a: torch.Tensor, b: torch.Tensor) =>
  directionNorm({ weight, squaredBase, a, b, scale: SCALE }, "out");

/** The norms, and the gradients of their sum weighted by place, with respect to A and B. */
function norms({ weight, a, b }: Direction, norm: (squaredBase: torch.Tensor) => torch.Tensor) {
  const places = Array.from({ length: weight.shape[0] as number }, (_, i) => i + 1);
  const value = norm(torch.noGrad(() => squaredNorm(weight, "out", a.dtype)));
  return differentiated(value, [a, b], torch.tensor(places));
}

function expectSame(direction: Direction, tolerance: number): void {
  const { weight, a, b } = direction;
  for (const tensor of [a, b]) tensor.setRequiresGrad(true);
  const expected = norms(direction, (base) => plain(direction, base));
  const actual = norms(direction, (base) => fused(weight, base, a, b));
  expectAlike(actual, expected, tolerance);
}

describe.each([
  ["float64", "float64", 1e-13],
  ["float32", "float32", 1e-5],
  ["bfloat16", "float32", 1e-2],
] as const)("the norms of a %s weight's direction", (dtype, trained, tolerance) => {
  test("and their gradients agree with the formula", () => {
    expectSame(draw(dtype, trained), tolerance);
  });

  test("can be computed without a gradient", () => {
    const { weight, a, b } = draw(dtype, trained);
    const norm = fused(weight, squaredNorm(weight, "out", trained), a, b);
    expect(norm.requiresGrad).toBe(false);
    expect(norm.dtype).toBe(trained);
  });
});

describe("sizes around the kernels' block sizes", () => {
  /** Out, in and rank: around what a kernel takes at once at any level. */
  const SIZES = [
    [1, 1, 1],
    [1, 100, 8],
    [2, 15, 2],
    [3, 16, 3],
    [4, 47, 4],
    [7, 48, 7],
    [64, 49, 8],
    [65, 96, 9],
    [130, 145, 19],
    [200, 31, 16],
    [33, 64, 17],
    [300, 80, 8],
  ] as const;

  test.each(SIZES)("%i × %i with rank %i: norms and gradients agree with float64", (out, width, rank) => {
    torch.scope(() => {
      for (const dtype of ["bfloat16", "float32", "float64"] as const) {
        const drawn = draw(dtype, dtype === "float64" ? dtype : "float32", [out, width, rank]);
        const trained = [drawn.a, drawn.b].map((tensor) => tensor.setRequiresGrad(true));
        const [a, b] = trained.map((tensor) => torch.clone(torch.to(torch.detach(tensor), "float64")));
        const precise = { weight: torch.to(drawn.weight, "float64"), a: a!, b: b! };
        for (const tensor of [a!, b!]) tensor.setRequiresGrad(true);
        const expected = norms(precise, (base) => plain(precise, base));
        const actual = norms(drawn, (base) => fused(drawn.weight, base, drawn.a, drawn.b));
        expectAlike(actual, expected, dtype === "float64" ? 1e-13 : 1e-5);
      }
    });
  });
});

// MKL sums its products otherwise with other threads.
test.skipIf(torch.engineFacts().mkl)(
  "the norms and their gradients have the same bits with any number of threads",
  () => {
    torch.scope(() => {
      for (const dtype of ["bfloat16", "float32"] as const) {
        const direction = draw(dtype, "float32", [301, 500, 5]);
        for (const tensor of [direction.a, direction.b]) tensor.setRequiresGrad(true);
        const [one, two] = [1, 2].map((threads) =>
          withThreads(threads, () =>
            norms(direction, (base) => fused(direction.weight, base, direction.a, direction.b)),
          ),
        );
        for (const [i, tensor] of one!.entries()) expectSameBits(tensor!, two![i]!);
      }
    });
  },
);

describe.each([
  ["float64", "float64", 1e-13],
  ["float32", "float32", 1e-5],
  ["bfloat16", "float32", 1e-5],
] as const)("the gain of a %s weight's direction", (dtype, trained, tolerance) => {
  /** The third row of the weight and of B is of zeros, so that the direction has none there. */
  function drawGain() {
    const direction = draw(dtype, trained);
    for (const tensor of [direction.weight, direction.b]) torch.zero_(torch.narrow(tensor, 0, 2, 1));
    const { a, b } = direction;
    const magnitude = drawer(6)([61], trained);
    for (const tensor of [a, b, magnitude]) tensor.setRequiresGrad(true);
    return { ...direction, magnitude, gradient: drawer(7)([61], trained) };
  }

  const base = ({ weight }: Direction) => torch.clampMin(squaredNorm(weight, "out", trained), 1e-26);
  const gain = (drawn: ReturnType<typeof drawGain>, normGradient: NormGradient) =>
    directionGain({ ...drawn, squaredBase: base(drawn), scale: SCALE }, drawn.magnitude, normGradient);

  /** m / ‖V‖ and its gradients in float64. */
  function expectedOf({ gradient, ...drawn }: ReturnType<typeof drawGain>) {
    const wide = (tensor: torch.Tensor) => torch.clone(torch.to(torch.detach(tensor), "float64"));
    const [weight, a, b, magnitude] = [drawn.weight, drawn.a, drawn.b, drawn.magnitude].map(wide) as [
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
    ];
    for (const tensor of [a, b, magnitude]) tensor.setRequiresGrad(true);
    const squaredBase = torch.clampMin(squaredNorm(weight, "out", "float64"), 1e-26);
    const norm = plain({ weight, a, b }, squaredBase);
    return differentiated(gainOf(magnitude, norm), [magnitude, a, b], gradient);
  }

  test("and its gradients agree with the formula, and are zero for a direction of zeros", () => {
    torch.scope(() => {
      const drawn = drawGain();
      const { a, b, magnitude, gradient } = drawn;
      const actual = differentiated(gain(drawn, "full"), [magnitude, a, b], gradient);
      expectAlike(actual, expectedOf(drawn), tolerance);
      expect(actual[0]!.toArray()[2]).toBe(0);
      expect(actual[1]!.toArray()[2]).toBe(0);
    });
  });

  test("with a constant norm has only the magnitude's gradient", () => {
    torch.scope(() => {
      const drawn = drawGain();
      const { a, b, magnitude, gradient } = drawn;
      const value = gain(drawn, "detached");
      const found = torch.grad([value], [magnitude, a, b], { gradOutputs: [gradient], allowUnused: true });
      const [expected, ofMagnitude] = expectedOf(drawn);
      expectAlike([value, found[0]], [expected, ofMagnitude], tolerance);
      expect(found.slice(1)).toEqual([undefined, undefined]);
      const one = torch.grad([gain(drawn, "full")], [magnitude], { gradOutputs: [gradient] });
      expectSameBits(one[0]!, found[0]!);
    });
  });

  test("of directions that nearly cancel agrees with the dense formula", () => {
    torch.scope(() => {
      const drawn = drawGain();
      const product = torch.noGrad(() => torch.mm(drawn.b, drawn.a));
      torch.copy_(drawn.weight, torch.mulScalar(product, -SCALE * (dtype === "bfloat16" ? 0.9 : 1 - 1e-3)));
      const { a, b, magnitude, gradient } = drawn;
      const actual = differentiated(gain(drawn, "full"), [magnitude, a, b], gradient);
      expectAlike(actual, expectedOf(drawn), dtype === "float64" ? 1e-9 : 1e-2);
    });
  });

  test("refuses a second derivative, and a magnitude of another size", () => {
    torch.scope(() => {
      const drawn = drawGain();
      const value = gain(drawn, "full");
      expect(() => torch.grad([torch.sum(value)], [drawn.a], { createGraph: true })).toThrow(/no second derivative/);
      expect(() => gain({ ...drawn, magnitude: torch.ones([3], { dtype: trained }) }, "full")).toThrow(
        /expected a magnitude for each squared norm/,
      );
    });
  });
});

test("a row that the update cancels and a row of zeros have norms of 0", () => {
  const direction = draw("float64", "float64");
  torch.copy_(direction.weight, torch.mulScalar(torch.mm(direction.b, direction.a), -SCALE * (1 - 1e-3)));
  torch.zero_(torch.narrow(direction.weight, 0, 0, 1));
  torch.zero_(torch.narrow(direction.b, 0, 0, 1));
  expectSame(direction, 1e-9);
});

describe("rows of a bfloat16 weight that the update nearly cancels", () => {
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

  test.each([0.06, 0.1, 0.3])("%d of a row is left: the norms agree with float64", (rest) => {
    torch.scope(() => {
      const direction = cancelling(rest);
      const { weight, a, b } = direction;
      const out = squaredNorm(weight, "out", "float32");
      const forms = [
        [fused(weight, out, a, b), precise(direction, 1)],
        [plain(direction, out), precise(direction, 1)],
        [plain(direction, squaredNorm(weight, "in", "float32"), "in"), precise(direction, 0)],
      ] as const;
      for (const [i, [norm, expected]] of forms.entries()) expect(relative(norm, expected), `${i}`).toBeLessThan(1e-3);
    });
  });

  test("and their gradients too", () => {
    torch.scope(() => {
      const direction = cancelling(0.1);
      const { weight } = direction;
      const [a, b] = [direction.a.setRequiresGrad(true), direction.b.setRequiresGrad(true)];
      const actual = torch.grad([torch.sum(fused(weight, squaredNorm(weight, "out", "float32"), a, b))], [a, b]);
      const expected = torch.grad([torch.sum(precise(direction, 1))], [a, b]);
      expectAlike(actual, expected, 1e-3);
    });
  });

  /** The largest difference of a number, relative to it. */
  const relative = (actual: torch.Tensor, expected: torch.Tensor) =>
    torch.max(torch.abs(torch.subScalar(torch.div(torch.to(actual, "float64"), expected), 1))).item();
});

test("a second derivative is refused", () => {
  const { weight, a, b } = draw("float64", "float64");
  a.setRequiresGrad(true);
  const norm = fused(weight, squaredNorm(weight, "out", "float64"), a, b);
  expect(() => torch.grad([torch.sum(norm)], [a], { createGraph: true })).toThrow(/no second derivative/);
});

test("mismatched sizes are refused", () => {
  const { weight, a, b } = draw("float64", "float64");
  const base = squaredNorm(weight, "out", "float64");
  expect(() => fused(weight, base, b, a)).toThrow(/expected A of \[r, in\] and B of \[out, r\]/);
  expect(() => fused(weight, torch.ones([3]), a, b)).toThrow(/squared norm for each of 61 rows/);
});
