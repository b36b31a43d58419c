// GELU, SiLU and their gated forms: against libtorch's in float64, and in float32 against libtorch's own digits.
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { precise } from "../../support/precise.js";
import { expectSameBits } from "../sameBits.js";
import { differentiated, distance, drawer, expectAlike, withThreads } from "./support.js";

type Unary = (x: torch.Tensor) => torch.Tensor;
type Gated = (gate: torch.Tensor, up: torch.Tensor) => torch.Tensor;

interface Kind {
  readonly name: string;
  readonly ours: Unary;
  readonly theirs: Unary;
  readonly gated: Gated;
}

const TANH = { approximate: "tanh" };
const KINDS: readonly Kind[] = [
  { name: "gelu", ours: (x) => torch.fusedGelu(x), theirs: (x) => torch.gelu(x), gated: (g, u) => torch.geluMul(g, u) },
  {
    name: "gelu by tanh",
    ours: (x) => torch.fusedGelu(x, TANH),
    theirs: (x) => torch.gelu(x, TANH),
    gated: (g, u) => torch.geluMul(g, u, TANH),
  },
  { name: "silu", ours: torch.fusedSilu, theirs: torch.silu, gated: torch.siluMul },
];

const TOLERANCES = [
  ["float64", 1e-15],
  ["float32", 4e-7],
  ["bfloat16", 6e-3],
] as const;

const leavesOf = (tensors: readonly torch.Tensor[]) => tensors.map((x) => torch.detach(x).setRequiresGrad(true));
/** Normal numbers, three times as wide as usual. */
const wideOf = (seed: number, shape: readonly number[], dtype: torch.DType) =>
  torch.to(torch.mulScalar(drawer(seed)(shape, "float64"), 3), dtype);

describe.each(KINDS)("$name", ({ name, ours, theirs, gated }) => {
  for (const [dtype, tolerance] of TOLERANCES) {
    test.each([[[1]], [[7]], [[3, 5, 11]], [[129, 130]]])(`${dtype}: value and gradient of %j`, (shape) => {
      torch.scope(() => {
        const [x, g] = [wideOf(1, shape, dtype), drawer(2)(shape, dtype)];
        const [leaf] = leavesOf([x]) as [torch.Tensor];
        const [wide] = leavesOf([precise(x)]) as [torch.Tensor];
        const value = ours(leaf);
        expect([value.dtype, value.shape]).toEqual([dtype, shape]);
        const expected = differentiated(theirs(wide), [wide], precise(g));
        expectAlike(differentiated(value, [leaf], g), expected, tolerance);
      });
    });

    test(`${dtype}: gated, value and gradients`, () => {
      torch.scope(() => {
        const shape = [37, 65];
        const [gate, up, g] = [wideOf(1, shape, dtype), drawer(2)(shape, dtype), drawer(3)(shape, dtype)];
        const leaves = leavesOf([gate, up]) as [torch.Tensor, torch.Tensor];
        const wide = leavesOf([precise(gate), precise(up)]) as [torch.Tensor, torch.Tensor];
        const expected = differentiated(torch.mul(theirs(wide[0]), wide[1]), wide, precise(g));
        expectAlike(differentiated(gated(...leaves), leaves, g), expected, tolerance);
      });
    });
  }

  test("float32: values and slopes are within two units in the last place of x and 1", () => {
    torch.scope(() => {
      const numbers = Float32Array.from({ length: 200_001 }, (_, i) => (i - 100_000) / 8000);
      const x = torch.tensor(numbers, [numbers.length], "float32").setRequiresGrad(true);
      const wide = precise(torch.detach(x)).setRequiresGrad(true);
      const one = torch.ones([numbers.length]);
      const [value, slope] = differentiated(ours(x), [x], one);
      const [trueValue, trueSlope] = differentiated(theirs(wide), [wide], one);
      const excess = torch.sub(precise(torch.detach(value!)), torch.detach(trueValue!));
      const relative = torch.div(torch.abs(excess), torch.addScalar(torch.abs(torch.detach(wide)), 1e-30));
      expect(torch.max(torch.nanToNum(relative)).item()).toBeLessThan(2.4e-7);
      expect(torch.max(torch.abs(torch.sub(precise(slope!), trueSlope!))).item()).toBeLessThan(2.4e-7);
    });
  });

  test("float32: agrees with libtorch to 1e-6", () => {
    torch.scope(() => {
      const x = wideOf(4, [10_001], "float32");
      const [leaf, other] = leavesOf([x, x]) as [torch.Tensor, torch.Tensor];
      const g = torch.ones([10_001]);
      expectAlike(differentiated(ours(leaf), [leaf], g), differentiated(theirs(other), [other], g), 1e-6);
    });
  });

  test("far from 0 it is 0 or x, its slope 0 or 1, and NaN stays NaN", () => {
    torch.scope(() => {
      const x = torch.tensor([-1e15, -1e4, -200, -20, 0, 20, 200, 1e4, 1e15], [9], "float32").setRequiresGrad(true);
      const [value, slope] = differentiated(ours(x), [x], torch.ones([9])).map((y) => y!.toArray());
      const isSilu = name === "silu";
      const expected = [0, 0, 0, 0, 0, 20, 200, 1e4, Math.fround(1e15)];
      for (const [i, number] of value!.entries())
        expect(Math.abs(number - expected[i]!)).toBeLessThanOrEqual(isSilu ? 5e-8 + 1e-7 * expected[i]! : 0);
      for (const [i, number] of slope!.entries())
        expect(number).toBeCloseTo(i === 4 ? 0.5 : Number(i > 4), isSilu ? 6 : 12);
      expect(ours(torch.tensor([Number.NaN], [1], "float32")).item()).toBeNaN();
      expect(ours(torch.tensor([Number.POSITIVE_INFINITY], [1], "float32")).item()).toBe(Infinity);
    });
  });

  test("second derivatives agree with the formula, gated as well", () => {
    torch.scope(() => {
      const inputs = [wideOf(1, [5, 7], "float32"), drawer(2)([5, 7], "float32")];
      const twice = (value: (x: torch.Tensor, up: torch.Tensor) => torch.Tensor) => {
        const leaves = leavesOf(inputs) as [torch.Tensor, torch.Tensor];
        const slopes = torch.grad([torch.sum(torch.square(value(...leaves)))], leaves, { createGraph: true });
        return torch.grad([torch.sum(torch.mul(slopes[0]!, torch.addScalar(slopes[1]!, 1)))], leaves);
      };
      expectAlike(
        twice(gated),
        twice((x, up) => torch.mul(theirs(x), up)),
        2e-6,
      );
      expectAlike(
        twice((x, up) => torch.mul(ours(x), up)),
        twice((x, up) => torch.mul(theirs(x), up)),
        2e-6,
      );
    });
  });

  test("halves of a joint product and transposed tensors are read in place", () => {
    torch.scope(() => {
      const joint = wideOf(5, [33, 70], "bfloat16");
      const halves = [0, 35].map((start) => torch.narrow(joint, 1, start, 35)) as [torch.Tensor, torch.Tensor];
      const apart = halves.map((x) => torch.contiguous(x)) as [torch.Tensor, torch.Tensor];
      const turned = apart.map((x) => torch.t(torch.contiguous(torch.t(x)))) as [torch.Tensor, torch.Tensor];
      const g = drawer(6)([33, 35], "bfloat16");
      const run = (tensors: readonly torch.Tensor[]) => {
        const leaves = tensors.map((x) => torch.alias(x).setRequiresGrad(true)) as [torch.Tensor, torch.Tensor];
        return differentiated(gated(...leaves), leaves, g);
      };
      const expected = run(apart);
      for (const others of [run(halves), run(turned)])
        for (const [i, tensor] of others.entries()) expectSameBits(torch.detach(tensor!), torch.detach(expected[i]!));
      expect(distance(ours(turned[0]), ours(apart[0]))).toBe(0);
    });
  });

  test("the same bits with any number of threads", () => {
    torch.scope(() => {
      const [gate, up, g] = [1, 2, 3].map((seed) => wideOf(seed, [301, 771], "bfloat16")) as torch.Tensor[];
      const run = () => {
        const leaves = leavesOf([gate!, up!]) as [torch.Tensor, torch.Tensor];
        const [one] = leavesOf([gate!]) as [torch.Tensor];
        return [...differentiated(gated(...leaves), leaves, g!), ...differentiated(ours(one), [one], g!)];
      };
      const [first, ...others] = [1, 2, 3].map((threads) => withThreads(threads, run));
      for (const other of others) for (const [i, tensor] of other.entries()) expectSameBits(tensor!, first![i]!);
    });
  });
});

test("invalid operands are refused", () => {
  torch.scope(() => {
    const x = torch.ones([4, 8]);
    expect(() => torch.fusedGelu(x, { approximate: "erf" })).toThrow(/to be "none" or "tanh", got "erf"/);
    expect(() => torch.siluMul(x, torch.ones([4, 7]))).toThrow(/of the same shape \[N, I\] and dtype/);
    expect(() => torch.geluMul(x, torch.ones([4, 8], { dtype: "bfloat16" }))).toThrow(
      /of the same shape \[N, I\] and dtype/,
    );
    expect(() => torch.siluMul(torch.ones([8]), torch.ones([8]))).toThrow(/of the same shape \[N, I\] and dtype/);
  });
});
