// Rotary position embedding against plain operators: x·cos + rotateHalf(x)·sin, head by head.
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { precise } from "../../support/precise.js";
import { expectSameBits } from "../sameBits.js";
import { differentiated, drawer, expectAlike, withThreads } from "./support.js";

interface Case {
  readonly tokens: number;
  readonly heads: number;
  readonly size: number;
  /** R: how many numbers of a head are turned. */
  readonly turned: number;
}

const CASES: readonly Case[] = [
  { tokens: 1, heads: 1, size: 2, turned: 2 },
  { tokens: 7, heads: 3, size: 64, turned: 64 },
  { tokens: 5, heads: 9, size: 10, turned: 10 },
  { tokens: 70, heads: 2, size: 80, turned: 32 },
  { tokens: 4, heads: 1, size: 7, turned: 6 },
  { tokens: 3, heads: 5, size: 96, turned: 38 },
  { tokens: 3, heads: 2, size: 4, turned: 0 },
];

const TOLERANCES = [
  ["float64", 1e-15],
  ["float32", 2e-7],
  ["bfloat16", 6e-3],
] as const;

const title = "$tokens tokens, $heads heads of $size, $turned turned";

/** The last half with its sign turned, then the first. */
function rotateHalf(x: torch.Tensor): torch.Tensor {
  const half = x.shape[2]! / 2;
  const [first, second] = [0, half].map((start) => torch.narrow(x, 2, start, half)) as [torch.Tensor, torch.Tensor];
  return torch.cat([torch.neg(second), first], 2);
}

function formula(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: number): torch.Tensor {
  const [tokens, width] = x.shape as [number, number];
  const [turned, size] = [cos.shape[1]!, width / heads];
  const inHeads = torch.reshape(x, [tokens, heads, size]);
  const part = torch.narrow(inHeads, 2, 0, turned);
  const angles = [cos, sin].map((of) => torch.unsqueeze(torch.to(of, x.dtype), 1)) as [torch.Tensor, torch.Tensor];
  const found = torch.add(torch.mul(part, angles[0]), torch.mul(rotateHalf(part), angles[1]));
  return torch.reshape(torch.cat([found, torch.narrow(inHeads, 2, turned, size - turned)], 2), [tokens, width]);
}

/** Cosines and sines that are none: each number has its own say. */
function draw({ tokens, heads, size, turned }: Case, dtype: torch.DType): torch.Tensor[] {
  const normal = drawer(tokens + size);
  const [x, g] = [normal([tokens, heads * size], dtype), normal([tokens, heads * size], dtype)];
  return [x, normal([tokens, turned], "float32"), normal([tokens, turned], "float32"), g];
}

type Turn = (x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: number) => torch.Tensor;

function run(turn: Turn, [x, cos, sin, g]: readonly torch.Tensor[], heads: number) {
  const leaf = torch.detach(x!).setRequiresGrad(true);
  return differentiated(turn(leaf, cos!, sin!, heads), [leaf], g!);
}

describe.each(TOLERANCES)("%s", (dtype, tolerance) => {
  test.each(CASES)(`value and gradient agree with the formula: ${title}`, (entry) => {
    torch.scope(() => {
      const given = draw(entry, dtype);
      const rounded = given.map((of) => precise(torch.to(of, dtype)));
      const found = run(torch.rotary, given, entry.heads);
      expect([found[0]!.dtype, found[0]!.shape]).toEqual([dtype, given[0]!.shape]);
      expectAlike(found, run(formula, rounded, entry.heads), tolerance);
    });
  });

  test("angles in the input's dtype give the same result", () => {
    torch.scope(() => {
      const [x, cos, sin] = draw(CASES[1]!, dtype) as [torch.Tensor, torch.Tensor, torch.Tensor];
      const [c, s] = [torch.to(cos, dtype), torch.to(sin, dtype)];
      expectSameBits(torch.rotary(x, c, s, 3), torch.rotary(x, cos, sin, 3));
    });
  });

  test("slices of a joint product and transposed tensors are read in place", () => {
    torch.scope(() => {
      const [joint, cos, sin] = draw({ tokens: 9, heads: 1, size: 90, turned: 10 }, dtype) as torch.Tensor[];
      for (const start of [0, 30, 31]) {
        const slice = torch.narrow(joint!, 1, start, 30);
        const expected = torch.rotary(torch.contiguous(slice), cos!, sin!, 3);
        expectSameBits(torch.rotary(slice, cos!, sin!, 3), expected);
        const turnedOver = torch.t(torch.contiguous(torch.t(slice)));
        const angles = [cos!, sin!].map((of) => torch.t(torch.contiguous(torch.t(of)))) as [torch.Tensor, torch.Tensor];
        expectSameBits(torch.rotary(turnedOver, ...angles, 3), expected);
      }
    });
  });
});

test("float32: agrees with the formula in float32", () => {
  torch.scope(() => {
    const given = draw({ tokens: 130, heads: 3, size: 64, turned: 64 }, "float32");
    expectAlike(run(torch.rotary, given, 3), run(formula, given, 3), 2e-7);
  });
});

test("rotating by an angle and back restores the input", () => {
  torch.scope(() => {
    const [x] = draw({ tokens: 6, heads: 2, size: 8, turned: 8 }, "float64") as [torch.Tensor];
    const angle = drawer(8)([6, 4], "float64");
    const both = torch.cat([angle, angle], 1);
    const [cos, sin] = [torch.sin(torch.addScalar(both, Math.PI / 2)), torch.sin(both)];
    expectAlike([torch.rotary(torch.rotary(x, cos, sin, 2), cos, sin, 2, { transposed: true })], [x], 1e-15);
  });
});

test("its second derivative agrees with the formula", () => {
  torch.scope(() => {
    const [x, cos, sin, g] = draw(CASES[3]!, "float64") as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor];
    const twice = (turn: Turn) => {
      const leaf = torch.detach(x).setRequiresGrad(true);
      const value = torch.mul(torch.square(turn(leaf, cos, sin, 2)), g);
      const [first] = torch.grad([torch.sum(value)], [leaf], { createGraph: true });
      return torch.grad([torch.sum(torch.square(first!))], [leaf]);
    };
    expectAlike(twice(torch.rotary), twice(formula), 1e-14);
  });
});

test("the same bits with any number of threads and whatever other tokens", () => {
  torch.scope(() => {
    const given = draw({ tokens: 401, heads: 3, size: 96, turned: 90 }, "bfloat16");
    const [once, ...others] = [1, 2, 3].map((threads) => withThreads(threads, () => run(torch.rotary, given, 3)));
    for (const other of others) for (const [i, tensor] of other.entries()) expectSameBits(tensor!, once![i]!);
    const part = given.map((of) => torch.narrow(of, 0, 17, 5));
    for (const [i, tensor] of run(torch.rotary, part, 3).entries())
      expectSameBits(tensor!, torch.contiguous(torch.narrow(once![i]!, 0, 17, 5)));
  });
});

test("no tokens", () => {
  torch.scope(() => {
    const x = torch.ones([0, 6]).setRequiresGrad(true);
    const y = torch.rotary(x, torch.ones([0, 2]), torch.ones([0, 2]), 3);
    expect(y.shape).toEqual([0, 6]);
    expect(torch.grad([torch.sum(y)], [x])[0]!.shape).toEqual([0, 6]);
  });
});

test("invalid operands are refused", () => {
  torch.scope(() => {
    const [x, angles] = [torch.ones([3, 12]), torch.ones([3, 4])];
    const call = (...changed: [number, unknown][]) => {
      const values: unknown[] = [x, angles, angles, 3];
      for (const [place, value] of changed) values[place] = value;
      return () => torch.rotary(...(values as Parameters<typeof torch.rotary>));
    };
    expect(call([3, 5])).toThrow(/\[tokens, heads · head size\].* for 5 heads/);
    expect(call([3, 0])).toThrow(/for 0 heads/);
    expect(call([0, torch.ones([12])])).toThrow(/\[tokens, heads · head size\]/);
    expect(call([1, torch.ones([2, 4])])).toThrow(/cosines and sines of \[3, an even size up to 4\], got \[2, 4\]/);
    expect(call([2, torch.ones([3, 2])])).toThrow(/got \[3, 4\] and \[3, 2\]/);
    expect(call([1, torch.ones([3, 3])], [2, torch.ones([3, 3])])).toThrow(/an even size/);
    expect(call([1, torch.ones([3, 6])], [2, torch.ones([3, 6])])).toThrow(/up to 4, got \[3, 6\]|up to 4\], got/);
    expect(call([1, torch.ones([3, 4], { dtype: "bfloat16" })])).toThrow(/in float32 or the input's dtype, Float/);
    expect(call([2, torch.ones([3, 4]).setRequiresGrad(true)])).toThrow(/that require no gradient/);
  });
});
