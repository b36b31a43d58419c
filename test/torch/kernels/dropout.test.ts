import { describe, expect, test } from "vitest";
import {
  addAndNorm,
  addThenNorm,
  Dropout,
  LayerNorm,
  type Norm,
  RmsNorm,
  SeededMasks,
} from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { streamOf } from "../../../src/torch/operators/dropout.js";
import { ReplayableMasks } from "../../../src/training/loop/masks.js";
import { differentiable } from "../operators/passes.js";
import { expectSameBits } from "../sameBits.js";
import { philox } from "./philox.js";
import { differentiated, drawer, expectAlike, withThreads } from "./support.js";

const SEED = 2 ** 45 + 12345;
const maskOf = (shape: readonly number[], p: number, seed = SEED, stream = 4, dtype: torch.DType = "float32") =>
  torch.dropout(torch.ones(shape, { dtype }), p, seed, stream);

/** Rows of a width, how many come before a rank's, and how many it has: at the bounds of groups of 64 elements, and within them. */
const SLICES = [
  [64, 3, 5],
  [33, 3, 4],
  [7, 5, 40],
  [1, 70, 3],
  [300, 1, 2],
] as const;

describe("random numbers by index", () => {
  // From the known answers that come with the authors' Random123 library.
  test("the reference reproduces the published numbers", () => {
    expect(philox([0, 0, 0, 0], 0)).toEqual([0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48]);
  });

  test("the mask follows from the counters: element 64·g + 16·w + lane is word w of counter 16·g + lane", () => {
    torch.scope(() => {
      const mask = maskOf([3, 67], 0.25).toArray();
      const expected = mask.map((_, element) => {
        const [group, inGroup] = [Math.floor(element / 64), element % 64];
        const words = philox([group * 16 + (inGroup % 16), 0, 0, 4], SEED);
        return words[Math.floor(inGroup / 16)]! < 0.25 * 2 ** 32 ? 0 : Math.fround(1 / 0.75);
      });
      expect(mask).toEqual(expected);
    });
  });
});

describe("dropout", () => {
  test.each([0.1, 0.5, 0.9])("drops a share of %d, independently of neighbors and of other uses", (p) => {
    torch.scope(() => {
      const n = 1 << 20;
      const dropped = (seed: number, stream: number) =>
        torch.to(torch.eqScalar(maskOf([n], p, seed, stream), 0), "float64");
      const mask = dropped(SEED, 0);
      const others = [dropped(SEED, 1), dropped(SEED + 1, 0), dropped(SEED + 2 ** 32, 0)];
      const shifted = [1, 2, 16, 64, 768].map((by) => torch.roll(mask, [by], [0]));
      const deviation = Math.sqrt((p * (1 - p)) / n);
      expect(Math.abs(torch.mean(mask).item() - p)).toBeLessThan(5 * deviation);
      const spread = Math.sqrt((p * p * (1 - p * p)) / n);
      for (const other of [...others, ...shifted])
        expect(Math.abs(torch.mean(torch.mul(mask, other)).item() - p * p)).toBeLessThan(5 * spread);
    });
  });

  test.each(["float64", "float32", "bfloat16"] as const)("%s: value, gradient and second derivative", (dtype) => {
    torch.scope(() => {
      const normal = drawer(2);
      const x = normal([5, 77], dtype).setRequiresGrad(true);
      const weights = normal([5, 77], dtype);
      const mask = maskOf([5, 77], 0.3, SEED, 4, dtype);
      const y = torch.dropout(x, 0.3, SEED, 4);
      const tolerance = dtype === "bfloat16" ? 1e-2 : 1e-6;
      const [slope] = torch.grad([torch.sum(torch.mul(torch.square(y), weights))], [x], { createGraph: true });
      const expected = torch.mulScalar(torch.mul(torch.mul(torch.mul(x, mask), mask), weights), 2);
      const [curve] = torch.grad([torch.sum(slope!)], [x]);
      const curved = torch.mulScalar(torch.mul(torch.mul(mask, mask), weights), 2);
      expectAlike([y, slope, curve], [torch.mul(x, mask), expected, curved], tolerance);
    });
  });

  test.each(["float64", "float32", "bfloat16"] as const)("%s: rows of other ranks come before its own", (dtype) => {
    torch.scope(() => {
      for (const [width, before, count] of SLICES) {
        const x = drawer(3)([before + count + 2, width], dtype);
        const own = torch.dropout(torch.narrow(x, 0, before, count), 0.3, SEED, streamOf(4, before));
        expectSameBits(own, torch.narrow(torch.dropout(x, 0.3, SEED, 4), 0, before, count));
      }
    });
  });

  test("the same bits with any number of threads", () => {
    torch.scope(() => {
      const x = drawer(2)([1000, 771], "float32");
      const [one, three] = [1, 3].map((threads) => withThreads(threads, () => torch.dropout(x, 0.1, SEED, 0)));
      expectSameBits(one!, three!);
    });
  });

  test("keeps everything at 0 and nothing at 1", () => {
    torch.scope(() => {
      expect(maskOf([3], 0).toArray()).toEqual([1, 1, 1]);
      expect(maskOf([3], 1).toArray()).toEqual([0, 0, 0]);
      expect(() => maskOf([3], 1.5)).toThrow(/between 0 and 1/);
    });
  });
});

describe("dropout, sum and norm in one operator", () => {
  const tolerances = [
    ["float64", 1e-13],
    ["float32", 5e-6],
    ["bfloat16", 2e-2],
  ] as const;
  const cases = tolerances.flatMap(([dtype, tolerance]) => [0, 0.2].map((p) => ({ dtype, tolerance, p })));
  const NORMS = { layer: LayerNorm, rms: RmsNorm } as const;

  interface Parts {
    readonly x: torch.Tensor;
    readonly residual: torch.Tensor;
    readonly norm: Norm;
    readonly leaves: readonly torch.Tensor[];
  }

  /** x and residual of 9 × 100 and a norm, all to be differentiated. */
  function leavesOf(kind: keyof typeof NORMS, inputs: readonly torch.Tensor[]): Parts {
    const leaves = inputs.map((x) => torch.detach(x).setRequiresGrad(true));
    const [x, residual, weight, bias] = leaves as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor];
    const norm = new NORMS[kind](100, 1e-5);
    norm.weight.fill(torch.alias(weight));
    norm.bias?.fill(torch.alias(bias));
    return { x, residual, norm, leaves: norm.bias ? leaves : leaves.slice(0, 3) };
  }

  const drawParts = (dtype: torch.DType) => {
    const normal = drawer(5);
    return [[9, 100], [9, 100], [100], [100]].map((shape) => normal(shape, dtype));
  };
  const precise = (inputs: readonly torch.Tensor[]) => inputs.map((x) => torch.to(x, "float64"));

  test.each(cases)("$dtype, dropout $p: values and gradients agree with the parts", ({ dtype, tolerance, p }) => {
    torch.scope(() => {
      const gradient = drawer(6)([9, 100], dtype);
      const run = (inputs: readonly torch.Tensor[], differentiateTwice: boolean) => {
        const { x, residual, norm, leaves } = leavesOf("layer", inputs);
        const options = { dropout: new Dropout(p), norm, context: { masks: new SeededMasks(SEED) } };
        const value = differentiable(differentiateTwice, () => addAndNorm(x, residual, options));
        return differentiated(value, leaves, gradient);
      };
      const drawn = drawParts(dtype);
      expectAlike(run(drawn, false), run(precise(drawn), true), tolerance);
    });
  });

  const prenorm = cases.flatMap((entry) => (["layer", "rms"] as const).map((kind) => ({ ...entry, kind })));
  test.each(prenorm)(
    "$dtype, dropout $p, $kind norm: sum and norm agree with the parts, with a gradient at both",
    (entry) => {
      torch.scope(() => {
        const toBoth = [drawer(6)([9, 100], entry.dtype), drawer(7)([9, 100], entry.dtype)];
        const run = (inputs: readonly torch.Tensor[], differentiateTwice: boolean) => {
          const { x, residual, norm, leaves } = leavesOf(entry.kind, inputs);
          const options = { dropout: new Dropout(entry.p), norm, context: { masks: new SeededMasks(SEED) } };
          const { sum, normed } = differentiable(differentiateTwice, () => addThenNorm(x, residual, options));
          const gradOutputs = toBoth.map((gradient) => torch.to(gradient, sum.dtype));
          return [sum, normed, ...torch.grad([sum, normed], leaves, { gradOutputs })];
        };
        const drawn = drawParts(entry.dtype);
        expectAlike(run(drawn, false), run(precise(drawn), true), entry.tolerance);
      });
    },
  );

  test.each(["float64", "float32", "bfloat16"] as const)("%s: rows of other ranks come before its own", (dtype) => {
    torch.scope(() => {
      for (const [width, before, count] of SLICES) {
        const normal = drawer(4);
        const [x, residual, weight, bias, gradient] = [[0], [0], [], [], [0]].map(([rows]) =>
          normal(rows === 0 ? [before + count + 1, width] : [width], dtype),
        ) as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor];
        const run = (part: (whole: torch.Tensor) => torch.Tensor, stream: number) => {
          const [input, other] = [x, residual].map((whole) => torch.detach(part(whole)).setRequiresGrad(true));
          const options = { p: 0.3, seed: SEED, stream };
          const [normed, sum] = torch.dropoutAddNorm(input!, other!, weight, bias, 1e-5, options);
          return [normed, sum, ...torch.grad([normed], [input!, other!], { gradOutputs: [part(gradient)] })];
        };
        const own = (whole: torch.Tensor) => torch.narrow(whole, 0, before, count);
        const all = run((whole) => whole, 4);
        for (const [i, found] of run(own, streamOf(4, before)).entries()) expectSameBits(found!, own(all[i]!));
      }
    });
  });

  test("a gradient at the sum alone passes unchanged", () => {
    torch.scope(() => {
      const { x, residual, norm, leaves } = leavesOf("layer", drawParts("float32"));
      const context = { masks: undefined };
      const { sum } = addThenNorm(x, residual, { dropout: new Dropout(0), norm, context });
      const gradient = drawer(6)([9, 100], "float32");
      const [ofX, ofResidual, ofWeight] = torch.grad([sum], leaves, { gradOutputs: [gradient] });
      expect(torch.equal(ofX!, gradient) && torch.equal(ofResidual!, gradient)).toBe(true);
      expect(new Set(ofWeight!.toArray())).toEqual(new Set([0]));
    });
  });

  test("a second derivative is refused", () => {
    torch.scope(() => {
      const x = torch.ones([4, 8]).setRequiresGrad(true);
      const one = torch.ones([8]);
      const [value] = torch.dropoutAddNorm(x, x, one, one, 1e-5);
      expect(() => torch.grad([torch.sum(value)], [x], { createGraph: true })).toThrow(/second derivative/);
    });
  });

  test("operands of other shapes, dtypes or devices are refused", () => {
    torch.scope(() => {
      const x = torch.ones([4, 8]);
      const one = torch.ones([8]);
      expect(() => torch.dropoutAddNorm(x, torch.ones([4, 7]), one, one, 1e-5)).toThrow(/the same shape \[N, H\]/);
      expect(() => torch.dropoutAddNorm(x, x, torch.ones([7]), null, 1e-5)).toThrow(/weight and a bias of \[8\]/);
      expect(() => torch.dropoutAddNorm(x, x, one, torch.ones([7]), 1e-5)).toThrow(/weight and a bias of \[8\]/);
      expect(() => torch.dropoutAddNorm(x, torch.to(x, "float64"), one, null, 1e-5)).toThrow(/one dtype/);
      expect(() => torch.dropoutAddNorm(torch.empty([4, 8], { device: "meta" }), x, one, null, 1e-5)).toThrow(
        /expected all tensors on the same device, got some on meta and some on cpu/,
      );
    });
  });
});

test("a pass's masks can be replayed, and differ between passes and uses", () => {
  torch.scope(() => {
    const masks = new ReplayableMasks(new torch.Generator(1));
    const dropout = new Dropout(0.5);
    const x = torch.ones([256]);
    const pass = () => {
      const context = masks.training();
      return [dropout.forward(x, context), dropout.forward(x, context)] as const;
    };
    pass();
    const mark = masks.mark();
    const [first, second] = pass();
    const next = pass();
    const again = masks.replay(mark, pass);
    const after = pass();
    expect(torch.equal(again[0], first) && torch.equal(again[1], second)).toBe(true);
    const others = [second, ...next, ...after];
    expect(others.some((other) => torch.equal(other, first))).toBe(false);
  });
});
