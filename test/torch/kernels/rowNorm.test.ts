// LayerNorm and RMSNorm of rows: against libtorch's in float64.
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { precise } from "../../support/precise.js";
import { expectSameBits } from "../sameBits.js";
import { differentiated, drawer, expectAlike, withThreads } from "./support.js";

const TOLERANCES = [
  ["float64", 1e-14],
  ["float32", 2e-6],
  ["bfloat16", 1e-2],
] as const;
const EPSILON = 1e-3;

type Three = [torch.Tensor, torch.Tensor, torch.Tensor];
const leavesOf = (tensors: readonly torch.Tensor[]) =>
  tensors.map((x) => torch.detach(x).setRequiresGrad(true)) as Three;

describe.each([true, false])("centered %s", (centered) => {
  const ours = ([x, weight, bias]: Three) => torch.rowNorm(x, weight, bias, EPSILON, { centered });
  const theirs = ([x, weight, bias]: Three) => {
    const size = [x.shape.at(-1) as number];
    if (centered) return torch.layerNorm(x, size, weight, bias, EPSILON);
    return torch.add(torch.rmsNorm(x, size, weight, EPSILON), bias);
  };

  /** x off from 0, a weight and a bias. */
  function draw(shape: readonly number[], dtype: torch.DType): Three {
    const normal = drawer(4);
    const size = [shape.at(-1) as number];
    const x = torch.to(torch.addScalar(torch.mulScalar(normal(shape, "float64"), 2), 0.7), dtype);
    return [x, normal(size, dtype), normal(size, dtype)];
  }

  for (const [dtype, tolerance] of TOLERANCES) {
    test.each([[[1, 3]], [[64]], [[3, 5, 11]], [[129, 130]], [[7, 771]]])(
      `${dtype}: value and gradients of %j`,
      (shape) => {
        torch.scope(() => {
          const drawn = draw(shape, dtype);
          const [leaves, wide] = [leavesOf(drawn), leavesOf(precise(drawn))];
          const g = drawer(2)(shape, dtype);
          const value = ours(leaves);
          expect([value.dtype, value.shape]).toEqual([dtype, shape]);
          const expected = differentiated(theirs(wide), wide, torch.to(g, "float64"));
          expectAlike(differentiated(value, leaves, g), expected, tolerance);
        });
      },
    );
  }

  test("second derivatives with respect to all three operands", () => {
    torch.scope(() => {
      const drawn = draw([2, 4, 9], "float64");
      const u = drawn.map((x, i) => drawer(20 + i)(x.shape, "float64"));
      const second = (norm: (of: Three) => torch.Tensor) => {
        const leaves = leavesOf(drawn);
        const loss = torch.sum(torch.sin(norm(leaves)));
        const slopes = torch.grad([loss], leaves, { createGraph: true }) as torch.Tensor[];
        const along = slopes.map((slope, i) => torch.sum(torch.mul(slope, u[i]!))).reduce((a, b) => torch.add(a, b));
        return torch.grad([along], leaves);
      };
      expectAlike(second(ours), second(theirs), 1e-12);
    });
  });

  test("strided operands, without a bias and without a gradient of x", () => {
    torch.scope(() => {
      const [x, weight] = draw([6, 10], "float32");
      const turned = torch.t(torch.contiguous(torch.t(x)));
      expectSameBits(
        torch.rowNorm(turned, weight, null, EPSILON, { centered }),
        torch.rowNorm(x, weight, null, EPSILON, { centered }),
      );
      const [, leaf] = leavesOf([x, weight]);
      const [slope] = torch.grad([torch.sum(torch.rowNorm(turned, leaf, null, EPSILON, { centered }))], [leaf]);
      const normed = torch.rowNorm(x, torch.ones([10]), null, EPSILON, { centered });
      expectAlike([slope], [torch.sumDim(normed, [0])], 1e-5);
    });
  });

  test("the same bits with any number of threads", () => {
    torch.scope(() => {
      const drawn = draw([300, 771], "bfloat16");
      const g = drawer(2)([300, 771], "bfloat16");
      const run = () => {
        const leaves = leavesOf(drawn);
        return differentiated(ours(leaves), leaves.slice(0, 1), g);
      };
      const [one, three] = [1, 3].map((threads) => withThreads(threads, run));
      for (const [i, tensor] of three!.entries()) expectSameBits(tensor!, one![i]!);
    });
  });
});

test("invalid operands are refused", () => {
  torch.scope(() => {
    const [x, weight] = [torch.ones([4, 8]), torch.ones([8])];
    expect(() => torch.rowNorm(x, torch.ones([7]), null, 1e-5)).toThrow(/weight and a bias of \[8\]/);
    expect(() => torch.rowNorm(x, weight, torch.ones([7]), 1e-5)).toThrow(/weight and a bias of \[8\]/);
    expect(() => torch.rowNorm(x, torch.to(weight, "float64"), null, 1e-5)).toThrow(/one dtype/);
    expect(() => torch.rowNorm(torch.ones([]), weight, null, 1e-5)).toThrow(/expected rows, got a scalar/);
  });
});
