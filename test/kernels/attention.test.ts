import { describe, expect, test } from "vitest";
import { attend, DrawnMasks, Dropout, type ForwardContext, rowLayout } from "../../src/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { expectSameBits } from "../torch/sameBits.js";
import { philox } from "./philox.js";
import { differentiated, drawer, expectAlike, withThreads } from "./support.js";

interface Case {
  readonly lengths: readonly number[];
  readonly heads: number;
  readonly size: number;
  readonly p: number;
}

const MIXED = [1, 5, 512, 64, 17, 70];
const CASES: readonly Case[] = [
  { lengths: MIXED, heads: 2, size: 64, p: 0 },
  { lengths: MIXED, heads: 2, size: 64, p: 0.3 },
  { lengths: [33, 33, 33], heads: 3, size: 32, p: 0.1 },
  { lengths: [2, 130, 65], heads: 2, size: 24, p: 0.5 },
  { lengths: [16, 1, 48], heads: 1, size: 7, p: 0.1 },
  { lengths: [3, 80], heads: 4, size: 1, p: 0 },
];

/** q, k, v and a gradient, drawn in float64 and rounded to `dtype`. */
function draw({ lengths, heads, size }: Case, dtype: torch.DType): torch.Tensor[] {
  const normal = drawer(1);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  return Array.from({ length: 4 }, () => normal([tokens, heads * size], dtype));
}

/** The value and its three gradients. */
function run(inputs: readonly torch.Tensor[], { lengths, heads, p }: Case, differentiateTwice: boolean) {
  const [q, k, v, gradient] = inputs as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor];
  const leaves = [q, k, v].map((x) => torch.detach(x).setRequiresGrad(true)) as [
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
  ];
  const context: ForwardContext = { masks: new DrawnMasks(77), differentiateTwice };
  const value = attend(...leaves, { heads, layout: rowLayout(lengths), dropout: new Dropout(p), context });
  return differentiated(value, leaves, gradient);
}

const precise = (inputs: readonly torch.Tensor[]) => inputs.map((x) => torch.to(x, "float64"));

describe("attention is its formula, with the same masks", () => {
  const tolerances = [
    ["float64", 1e-13],
    ["float32", 3e-6],
    ["bfloat16", 1e-2],
  ] as const;
  for (const [dtype, tolerance] of tolerances) {
    test.each(CASES)(`${dtype}: rows of $lengths, $heads heads of $size, dropout $p`, (entry) => {
      torch.scope(() => {
        const inputs = draw(entry, dtype);
        expectAlike(run(inputs, entry, false), run(precise(inputs), entry, true), tolerance);
      });
    });
  }
});

test("its gradients are the differences of its values", () => {
  torch.scope(() => {
    const entry = CASES[3]!;
    const inputs = draw(entry, "float64");
    const [, ...gradients] = run(inputs, entry, false);
    const along = draw({ ...entry, lengths: [197] }, "float64").slice(0, 3);
    const at = (step: number) => {
      const moved = inputs.map((x, i) => (along[i] ? torch.add(x, along[i]!, { alpha: step }) : x));
      return torch.sum(torch.mul(run(moved, entry, false)[0]!, inputs[3]!)).item();
    };
    const difference = (at(1e-5) - at(-1e-5)) / 2e-5;
    const slope = gradients.reduce((sum, gradient, i) => sum + torch.sum(torch.mul(gradient!, along[i]!)).item(), 0);
    expect(difference / slope).toBeCloseTo(1, 7);
  });
});

test("slices of a joint product, large scores and a query that fits one key alone are no trouble", () => {
  torch.scope(() => {
    const entry = { lengths: [40, 3], heads: 2, size: 16, p: 0 };
    const joint = torch.mulScalar(drawer(3)([43, 128], "float32"), 30);
    const slices = [0, 32, 64, 96].map((start) => torch.narrow(joint, 1, start, 32));
    const results = run(slices, entry, false);
    expect(results.every((x) => torch.all(torch.isfinite(x!)).item() === 1)).toBe(true);
    expectAlike(results, run(precise(slices), entry, true), 1e-3);
  });
});

test.each(["float32", "bfloat16"] as const)(
  "%s: the same bits on every run and with any number of threads",
  (dtype) => {
    torch.scope(() => {
      const entry = CASES[1]!;
      const inputs = draw(entry, dtype);
      const [once, ...others] = [1, 1, 2, 3].map((threads) => withThreads(threads, () => run(inputs, entry, false)));
      for (const other of others) for (const [i, tensor] of other.entries()) expectSameBits(tensor!, once![i]!);
    });
  },
);

describe("the mask", () => {
  const SEED = 2 ** 40 + 3;

  test("is that of the counters (key, query / 4, head, stream)", () => {
    torch.scope(() => {
      const [rows, lengths, heads, p] = [[2, 0], [6, 4], 3, 0.3] as const;
      const mask = torch.attentionMask(torch.zeros([1], { dtype: "float64" }), rows, lengths, heads, p, SEED, 9);
      const numbers = mask.toArray();
      for (const [r, row] of rows.entries())
        for (let head = 0; head < heads; head++)
          for (let i = 0; i < 6; i++)
            for (let j = 0; j < 6; j++) {
              const isThere = Math.max(i, j) < lengths[r]!;
              const number = philox([j, Math.floor(i / 4), row * heads + head, 9], SEED)[i % 4]!;
              const expected = isThere && number >= Math.floor(p * 2 ** 32) ? 1 / (1 - p) : 0;
              expect(numbers[((r * heads + head) * 6 + i) * 6 + j]).toBe(expected);
            }
    });
  });

  test("depends on a row's place in the batch, not on its neighbours' lengths", () => {
    torch.scope(() => {
      const like = torch.zeros([1], { dtype: "float32" });
      const alone = torch.attentionMask(like, [1], [20], 2, 0.5, SEED, 0);
      const padded = torch.attentionMask(like, [0, 1], [50, 20], 2, 0.5, SEED, 0);
      const part = torch.narrow(torch.narrow(torch.narrow(padded, 0, 1, 1), 2, 0, 20), 3, 0, 20);
      expect(torch.equal(alone, part)).toBe(true);
    });
  });
});

test("there is no silent second derivative", () => {
  torch.scope(() => {
    const x = torch.ones([4, 8]).setRequiresGrad(true);
    const value = torch.attention(x, x, x, torch.tensor([0, 4], [2], "int64"), 2, 1);
    expect(() => torch.grad([torch.sum(value)], [x], { createGraph: true })).toThrow(/second derivative/);
  });
});

test.each([
  [
    "offsets",
    () =>
      torch.attention(
        torch.ones([4, 8]),
        torch.ones([4, 8]),
        torch.ones([4, 8]),
        torch.tensor([0, 3], [2], "int64"),
        2,
        1,
      ),
  ],
  [
    "heads",
    () =>
      torch.attention(
        torch.ones([4, 8]),
        torch.ones([4, 8]),
        torch.ones([4, 8]),
        torch.tensor([0, 4], [2], "int64"),
        3,
        1,
      ),
  ],
  [
    "like the query",
    () =>
      torch.attention(
        torch.ones([4, 8]),
        torch.ones([3, 8]),
        torch.ones([4, 8]),
        torch.tensor([0, 4], [2], "int64"),
        2,
        1,
      ),
  ],
])("a call with wrong %s is refused", (word, call) => {
  expect(call).toThrow(word);
});
