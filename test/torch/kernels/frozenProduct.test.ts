// Products of small whole numbers are exact in every dtype, so that equality is asked for.
// Shapes: x [n, in], W [out, in], A [r, in], B [out, r].
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { few } from "../../support/few.js";
import { withThreads } from "./support.js";

const { ownProducts } = torch.engineFacts();
const DTYPES: readonly torch.DType[] = ["float32", "bfloat16", "float64"];

/** Around the tiles' and panels' sizes. */
const ROWS = [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 24, 25, 63, 64, 65, 71, 192, 200];
const SIZES = [2, 14, 16, 18, 30, 32, 34, 62, 64, 66, 130];
/** Around so much as is taken of a few rows' depth at a time, and twice that. */
const DEPTHS = [510, 512, 514, 1024, 1026, 1538];
const RANKS = [1, 2, 8, 17];

function drawer(seed: number): (shape: readonly number[], dtype: torch.DType) => torch.Tensor {
  let state = seed;
  const next = () => {
    state = (state * 48271) % 2147483647;
    return (state % 3) - 1;
  };
  return (shape, dtype) => torch.tensor(Float32Array.from({ length: torch.numelOf(shape) }, next), shape, dtype);
}

const equal = (a: torch.Tensor, b: torch.Tensor) => torch.equal(torch.to(a, "float64"), b);

function wide(...tensors: torch.Tensor[]): torch.Tensor[] {
  return tensors.map((tensor) => torch.to(torch.detach(tensor), "float64"));
}

describe.each(DTYPES)("%s", (dtype) => {
  test.each(few(ROWS, 4))("%i rows: forward, and the input's gradient", (n) => {
    for (const size of SIZES) {
      const some = SIZES[(size + n) % SIZES.length] as number;
      for (const out of [some, some + 1, 64])
        torch.scope(() => {
          const draw = drawer(n * 1000 + size);
          const [x, weight, bias, g] = [[n, size], [out, size], [out], [n, out]].map((shape) => draw(shape, dtype));
          const leaf = x!.setRequiresGrad(true);
          const y = torch.fastLinear(leaf, weight!, bias!);
          const [gradient] = torch.grad([y], [leaf], { gradOutputs: [g!] });
          const [wx, wWeight, wBias, wg] = wide(x!, weight!, bias!, g!) as [
            torch.Tensor,
            torch.Tensor,
            torch.Tensor,
            torch.Tensor,
          ];
          expect(equal(y, torch.linear(wx, wWeight, wBias)), `[${n}, ${size}] × [${size}, ${out}]`).toBe(true);
          expect(equal(gradient!, torch.mm(wg, wWeight)), `[${n}, ${out}] × [${out}, ${size}]`).toBe(true);
        });
    }
  });

  test.each(few(DEPTHS, 4))("the input's gradient, depth %i, of few rows and of many", (depth) => {
    for (const columns of [66, 2114])
      torch.scope(() => {
        const draw = drawer(depth + columns);
        const [gradient, weight] = [draw([200, depth], dtype), draw([depth, columns], dtype)];
        const all = torch.mm(...(wide(gradient, weight) as [torch.Tensor, torch.Tensor]));
        for (const n of [1, 3, 16, 64, 200]) {
          const found = torch.linearInputGradient(torch.narrow(gradient, 0, 0, n), weight);
          expect(equal(found, torch.narrow(all, 0, 0, n)), `${n} rows, ${columns} columns`).toBe(true);
        }
      });
  });

  test.each(RANKS)("a low-rank update of rank %i", (rank) => {
    for (const n of [1, 5, 64, 70])
      for (const [size, out] of [
        [30, 66],
        [66, 30],
        [64, 128],
        [34, 1030],
      ] as const)
        torch.scope(() => {
          const draw = drawer(n + rank);
          const shapes = [[n, size], [out, size], [out], [rank, size], [out, rank], [n, out]];
          const [x, weight, bias, a, b, g] = shapes.map((shape) => draw(shape, dtype)) as [
            ...[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor],
          ];
          // What is rounded on the way must be exact too: A is mostly zeros.
          const sparse = torch.mul(a, everySeventh(a.shape, dtype));
          const leaves = [x, sparse, b].map((tensor) => torch.detach(tensor).setRequiresGrad(true)) as [
            torch.Tensor,
            torch.Tensor,
            torch.Tensor,
          ];
          const y = torch.lowRankLinear(leaves[0], weight, bias, leaves[1], leaves[2], 2);
          const gradients = torch.grad([y], leaves, { gradOutputs: [g] });
          const wideLeaves = wide(...leaves).map((tensor) => tensor.setRequiresGrad(true)) as typeof leaves;
          const [wWeight, wBias, wg] = wide(weight, bias, g) as [torch.Tensor, torch.Tensor, torch.Tensor];
          const low = torch.mulScalar(torch.linear(torch.linear(wideLeaves[0], wideLeaves[1]), wideLeaves[2]), 2);
          const wanted = torch.add(torch.linear(wideLeaves[0], wWeight, wBias), low);
          expect(equal(y, torch.detach(wanted))).toBe(true);
          const expected = torch.grad([wanted], wideLeaves, { gradOutputs: [wg] });
          for (const [i, gradient] of gradients.entries()) {
            const difference = torch.sub(torch.to(gradient!, "float64"), expected[i]!);
            const scale = torch.max(torch.abs(expected[i]!)).item();
            expect(torch.max(torch.abs(difference)).item()).toBeLessThanOrEqual(
              (dtype === "bfloat16" ? 2 ** -7 : 1e-6) * scale,
            );
          }
        });
  });
});

/** Ones among zeros. */
function everySeventh(shape: readonly number[], dtype: torch.DType): torch.Tensor {
  const kept = Float32Array.from({ length: torch.numelOf(shape) }, (_, i) => (i % 7 === 0 ? 1 : 0));
  return torch.tensor(kept, shape, dtype);
}

test("strided and unaligned operands give the same product", () => {
  torch.scope(() => {
    for (const dtype of DTYPES) {
      const draw = drawer(7);
      const [x, weight] = [draw([70, 33], dtype), draw([67, 34], dtype)];
      const wanted = (a: torch.Tensor, b: torch.Tensor) =>
        torch.linear(...(wide(a, b) as [torch.Tensor, torch.Tensor]));
      const part = torch.narrow(weight, 1, 1, 33);
      expect(equal(torch.fastLinear(x, part), wanted(x, part))).toBe(true);
      const even = torch.narrow(draw([70, 35], dtype), 1, 1, 34);
      expect(equal(torch.fastLinear(even, weight), wanted(even, weight))).toBe(true);
      const turned = torch.t(draw([34, 66], dtype));
      expect(equal(torch.fastLinear(even, turned), wanted(even, turned))).toBe(true);
      const columns = torch.t(draw([34, 5], dtype));
      expect(equal(torch.fastLinear(columns, weight), wanted(columns, weight))).toBe(true);
    }
  });
});

test.each(ownProducts as torch.DType[])("a row's bits do not depend on threads or other rows in %s", (dtype) => {
  torch.scope(() => {
    const generator = new torch.Generator(1);
    const normal = (...shape: number[]) => torch.to(torch.normal_(torch.empty(shape), 0, 1, { generator }), dtype);
    const [x, weight] = [normal(300, 130), normal(200, 130)];
    const all = withThreads(1, () => torch.fastLinear(x, weight));
    for (const threads of [2, 3])
      expect(
        torch.equal(
          withThreads(threads, () => torch.fastLinear(x, weight)),
          all,
        ),
      ).toBe(true);
    const some = torch.fastLinear(torch.narrow(x, 0, 17, 100), weight);
    expect(torch.equal(some, torch.narrow(all, 0, 17, 100))).toBe(true);
    const [gradient, wideWeight] = [normal(300, 2100), normal(2100, 130)];
    const ofAll = torch.linearInputGradient(gradient, wideWeight);
    const ofSome = torch.linearInputGradient(torch.narrow(gradient, 0, 17, 5), wideWeight);
    expect(torch.equal(ofSome, torch.narrow(ofAll, 0, 17, 5))).toBe(true);
  });
});

test.each(ownProducts as torch.DType[])("few rows have the same bits as among many in %s", (dtype) => {
  torch.scope(() => {
    const generator = new torch.Generator(2);
    const normal = (...shape: number[]) => torch.to(torch.normal_(torch.empty(shape), 0, 1, { generator }), dtype);
    const rows = [1, 2, 3, 4, 5, 8, 9, 12, 13, 15, 16, 17];
    for (const [depth, columns] of [
      [576, 1400], // enough for several threads
      [130, 64],
      [30, 8],
      [2, 37],
      [34, 16],
      ...(dtype === "float32" ? [[35, 49] as const] : []),
    ] as const) {
      const [x, weight, bias] = [normal(60, depth), normal(columns, depth), normal(columns)];
      const [a, b, gain] = [normal(6, depth), normal(columns, 6), torch.to(normal(columns), "float32")];
      const ways: ((x: torch.Tensor) => torch.Tensor)[] = [
        (some) => torch.fastLinear(some, weight),
        (some) => torch.fastLinear(some, weight, bias),
        (some) => torch.lowRankLinear(some, weight, null, a, b, 0.3),
        (some) => torch.lowRankLinear(some, weight, bias, a, b, 0.3, { gain }),
      ];
      for (const [i, way] of ways.entries()) {
        const all = way(x);
        for (const n of rows)
          for (const threads of [1, 2, 3]) {
            const found = withThreads(threads, () => way(torch.narrow(x, 0, 7, n)));
            const name = `way ${i}, [${n}, ${depth}] × [${depth}, ${columns}], ${threads} threads`;
            expect(torch.equal(found, torch.narrow(all, 0, 7, n)), name).toBe(true);
          }
      }
    }
  });
});

describe.each(DTYPES)("several layers with one input, in %s", (dtype) => {
  const draw = drawer(9);
  const [depth, columns] = [34, [64, 2, 131, 16]] as const;
  const weights = columns.map((out) => draw([out, depth], dtype));
  const biases = columns.map((out) => draw([out], dtype));

  test.each([0, 1, 3, 16, 17, 60])("%i rows: each product equals that of its layer alone", (n) => {
    torch.scope(() => {
      const x = draw([n, depth], dtype);
      for (const threads of [1, 2, 3])
        for (const some of [biases, []]) {
          const found = withThreads(threads, () => torch.fastLinears(x, weights, some));
          expect(found.map(({ shape }) => shape)).toEqual(columns.map((out) => [n, out]));
          for (const [i, y] of found.entries())
            expect(torch.equal(y, torch.fastLinear(x, weights[i]!, some[i] ?? null)), `${i}`).toBe(true);
        }
    });
  });

  test("strided operands, and no layer at all", () => {
    torch.scope(() => {
      const x = draw([depth, 5], dtype);
      const parts = weights.map((weight) => torch.narrow(weight, 0, 0, 2));
      const found = torch.fastLinears(torch.t(x), parts, []);
      for (const [i, y] of found.entries())
        expect(equal(y, torch.linear(...(wide(torch.t(x), parts[i]!) as [torch.Tensor, torch.Tensor])))).toBe(true);
      expect(torch.fastLinears(x, [], [])).toEqual([]);
    });
  });

  test("mismatched operands and operands that record gradients are refused", () => {
    torch.scope(() => {
      const x = draw([2, depth], dtype);
      const leaf = torch.ones([2, depth], { dtype }).setRequiresGrad(true);
      expect(() => torch.fastLinears(x, weights, biases.slice(1))).toThrow(
        /a bias for each weight, or none, got 3 for 4/,
      );
      expect(() => torch.fastLinears(x, weights, biases.toReversed())).toThrow(/expected a bias of \[64\]/);
      expect(() => torch.fastLinears(torch.t(x), weights, [])).toThrow(/an input of \[N, in\]/);
      expect(() => torch.fastLinears(leaf, weights, [])).toThrow(/has no derivative: call it/);
    });
  });
});

test("derivatives of any order, and those of a trained weight", () => {
  torch.scope(() => {
    const draw = drawer(3);
    const [x, weight, bias, g] = [
      draw([9, 6], "float32"),
      draw([4, 6], "float32"),
      draw([4], "float32"),
      draw([9, 4], "float32"),
    ];
    const leaves = [x, weight, bias, g].map((tensor) => tensor.setRequiresGrad(true)) as [
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
    ];
    const orders = (linear: (x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) => torch.Tensor) => {
      const y = torch.square(linear(leaves[0], leaves[1], leaves[2]));
      const first = torch.grad([y], leaves.slice(0, 3), { gradOutputs: [leaves[3]], createGraph: true });
      const total = first.reduce<torch.Tensor>(
        (sum, tensor) => torch.add(sum, torch.sum(torch.square(tensor!))),
        torch.zeros([]),
      );
      return [...first, ...torch.grad([total], leaves)].map((tensor) => tensor!);
    };
    const own = orders((a, b, c) => torch.fastLinear(a, b, c));
    for (const [i, wanted] of orders((a, b, c) => torch.linear(a, b, c)).entries())
      expect(torch.equal(own[i]!, wanted)).toBe(true);
  });
});

test("any dimensions before the last, also empty ones", () => {
  torch.scope(() => {
    for (const shape of [[4], [2, 3, 4], [2, 0, 4]]) {
      const [x, weight] = [torch.ones(shape).setRequiresGrad(true), torch.ones([5, 4])];
      const y = torch.fastLinear(x, weight);
      expect([y.shape, y.toArray()]).toEqual([[...shape.slice(0, -1), 5], new Array(y.numel).fill(4)]);
      const [gradient] = torch.grad([torch.sum(y)], [x]);
      expect([gradient!.shape, gradient!.toArray()]).toEqual([shape, new Array(x.numel).fill(5)]);
      expect(torch.equal(torch.linearInputGradient(torch.onesLike(y), weight), gradient!)).toBe(true);
    }
    expect(torch.fastLinear(torch.ones([2, 3, 0]), torch.ones([5, 0])).shape).toEqual([2, 3, 5]);
  });
});

test("wrong shapes and dtypes are named in the error", () => {
  torch.scope(() => {
    const [x, weight] = [torch.ones([3, 4]), torch.ones([2, 4])];
    expect(() => torch.fastLinear(x, torch.ones([2, 5]))).toThrow(/input of \[N, in\] and a weight of \[out, in\]/);
    expect(() => torch.fastLinear(x, weight, torch.ones([3]))).toThrow(/a bias of \[2\]/);
    expect(() => torch.fastLinear(x, torch.to(weight, "float64"))).toThrow(/in the input's dtype, Float/);
    expect(() => torch.fastLinear(x, weight, null, { packed: weight })).toThrow(/a packed copy of the weight/);
  });
});
