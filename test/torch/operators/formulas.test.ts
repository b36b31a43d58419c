// Each operator's formula against its kernel: values, gradients, and the same dropout masks.
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { gelu, geluMul, silu, siluMul } from "../../../src/torch/operators/activation.js";
import { attention } from "../../../src/torch/operators/attention/attention.js";
import { attentionCached, type CachedPart, writeRows } from "../../../src/torch/operators/attention/attentionCached.js";
import { rotaryTables, rotate } from "../../../src/torch/operators/attention/rotary.js";
import { rowLayout } from "../../../src/torch/operators/attention/rows.js";
import {
  arithmetic,
  isTwiceDifferentiable,
  twiceDifferentiable,
  usesKernel,
  withFormulas,
} from "../../../src/torch/operators/choose.js";
import { dropout, streamOf } from "../../../src/torch/operators/dropout.js";
import { directionBase, directionGain, directionNorm } from "../../../src/torch/operators/linear/directionNorm.js";
import {
  type LinearOperands,
  linear,
  linearInputGradient,
  linears,
} from "../../../src/torch/operators/linear/linear.js";
import { linearCrossEntropy } from "../../../src/torch/operators/linear/linearCrossEntropy.js";
import { lowRankLinear } from "../../../src/torch/operators/linear/lowRankLinear.js";
import { gramOf, orthogonality } from "../../../src/torch/operators/linear/orthogonality.js";
import { dropoutAddNorm, rowNorm } from "../../../src/torch/operators/norms.js";
import { adamw, scaled, totalNorm } from "../../../src/torch/operators/optimizerStep.js";
import { drawer, expectAlike } from "../kernels/support.js";
import { isPlain } from "./passes.js";

type Tensors = readonly torch.Tensor[];

/** `inputs` are floating-point, and differentiated with respect to. */
interface Case {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  readonly apply: (...inputs: torch.Tensor[]) => Tensors;
}

const SEED = 2 ** 40 + 12345;
/** The third use of dropout, with five rows of other ranks before. */
const KEY = { seed: SEED, stream: streamOf(3, 5) };
const layout = () => rowLayout([3, 5, 1]);
const ids = (...numbers: number[]) => torch.tensor(numbers, [numbers.length], "int64");

const attended = (p: number, kvHeads = 2, limits = { before: null as number | null, after: null as number | null }) => {
  const dropped = p > 0 ? { p, mask: KEY } : undefined;
  return (q?: torch.Tensor, k?: torch.Tensor, v?: torch.Tensor) => [
    attention(q!, k!, v!, {
      heads: 2,
      kvHeads,
      layout: layout(),
      keyLayout: layout(),
      limits,
      scale: 0.4,
      dropout: dropped,
    }),
  ];
};

const frozen = (shape: readonly number[], dtype: torch.DType) => drawer(99)(shape, dtype);

const CASES: readonly Case[] = [
  { name: "gelu", shapes: [[5, 7]], apply: (x) => [gelu(x!), gelu(x!, "tanh")] },
  { name: "silu", shapes: [[5, 7]], apply: (x) => [silu(x!)] },
  {
    name: "gated activations",
    shapes: [
      [5, 7],
      [5, 7],
    ],
    apply: (gate, up) => [geluMul(gate!, up!), geluMul(gate!, up!, "tanh"), siluMul(gate!, up!)],
  },
  { name: "dropout", shapes: [[7, 131]], apply: (x) => [dropout(x!, 0.3, KEY)] },
  {
    name: "attention",
    shapes: [
      [9, 8],
      [9, 8],
      [9, 8],
    ],
    apply: attended(0),
  },
  {
    name: "attention with dropout and limits",
    shapes: [
      [9, 8],
      [9, 8],
      [9, 8],
    ],
    apply: attended(0.4, 2, { before: 2, after: 0 }),
  },
  {
    name: "attention with shared keys",
    shapes: [
      [9, 8],
      [9, 4],
      [9, 4],
    ],
    apply: attended(0.4, 1),
  },
  {
    name: "rotary",
    shapes: [[4, 12]],
    apply(x) {
      const tables = rotaryTables(ids(0, 1, 2, 7), torch.tensor([1, 0.1]), 1.2, x!.dtype);
      return [rotate(x!, tables, 2), rotate(x!, tables, 2, { transposed: true })];
    },
  },
  {
    name: "norms",
    shapes: [[4, 9], [9], [9]],
    apply: (x, weight, bias) => [
      rowNorm(x!, { weight: weight!, bias: bias!, epsilon: 1e-5, isCentered: true }),
      rowNorm(x!, { weight: weight!, bias: null, epsilon: 1e-6, isCentered: false }),
    ],
  },
  {
    name: "residual sums",
    shapes: [[4, 70], [4, 70], [70], [70]],
    apply(x, residual, weight, bias) {
      const factors = { weight: weight!, bias: bias!, epsilon: 1e-5, isCentered: true };
      const { sum, normed } = dropoutAddNorm(x!, residual!, factors, { p: 0.3, ...KEY });
      const rms = dropoutAddNorm(x!, residual!, { ...factors, bias: null, isCentered: false }, undefined);
      return [sum, normed, rms.sum, rms.normed];
    },
  },
  {
    name: "linear",
    shapes: [[2, 3, 5], [4, 5], [4]],
    apply: (x, weight, bias) => [linear(x!, { weight: weight!, bias: bias! })],
  },
  {
    name: "linear cross-entropy",
    shapes: [[6, 5]],
    apply(x) {
      const own: LinearOperands = { weight: frozen([11, 5], x!.dtype), bias: frozen([11], x!.dtype) };
      const product = (operator: (operands: LinearOperands) => torch.Tensor) => operator(own);
      const output = { vocabulary: 11, product, logits: (of: torch.Tensor) => linear(of, own) };
      return [linearCrossEntropy(x!, output, ids(0, 10, 3, 3, 7, 1))];
    },
  },
  {
    name: "low-rank linear",
    shapes: [[4, 6], [2, 6], [5, 2], [5], [4, 6]],
    apply(x, a, b, gain, branch) {
      const layer = { weight: frozen([5, 6], x!.dtype), bias: frozen([5], x!.dtype) };
      const factors = { a: a!, b: b!, scale: 0.7 };
      const away = torch.addScalar(torch.square(gain!), 0.5);
      return [
        lowRankLinear(x!, layer, factors),
        lowRankLinear(x!, { ...layer, bias: null }, factors, { branch: branch! }),
        lowRankLinear(x!, layer, factors, { gain: away }),
        lowRankLinear(x!, layer, factors, { gain: torch.mulScalar(gain!, 0.2), branch: branch! }),
      ];
    },
  },
  {
    name: "direction norm and gain",
    shapes: [[2, 6], [5, 2], [5]],
    apply(a, b, magnitude) {
      const weight = frozen([5, 6], a!.dtype);
      const base = directionBase(weight, "out", a!.dtype);
      const direction = { weight, squaredBase: base, a: a!, b: b!, scale: 0.7 };
      return [
        directionNorm(direction, "out"),
        directionGain(direction, magnitude!, "full"),
        directionGain(direction, magnitude!, "detached"),
      ];
    },
  },
  {
    name: "orthogonality",
    shapes: [
      [2, 6],
      [5, 2],
      [3, 70],
      [4, 3],
    ],
    apply(a, b, c, d) {
      const layers = [[a!, b!] as const, [c!, d!] as const].map(([one, other]) => {
        const weight = frozen([other.shape[0]!, one.shape[1]!], one.dtype);
        return { weight, gram: gramOf(weight, one.dtype), a: one, b: other, scale: 0.3 };
      });
      return [orthogonality(layers)];
    },
  },
];

/** Results, and gradients of their sums weighted at random. */
function run({ shapes, apply }: Case, dtype: torch.DType): Tensors {
  const normal = drawer(7);
  const inputs = shapes.map((shape) => normal(shape, dtype).setRequiresGrad(true));
  const results = apply(...inputs);
  const gradOutputs = results.map((result) => torch.to(drawer(8)(result.shape, "float64"), result.dtype));
  const gradients = torch.grad(results, inputs, { gradOutputs, allowUnused: true });
  return [...results, ...gradients.map((gradient, i) => gradient ?? torch.zerosLike(inputs[i]!))];
}

describe.each([
  ["float64", 1e-12],
  ["float32", 2e-5],
  ["bfloat16", 3e-2],
] as const)("in %s, kernel and formula agree", (dtype, tolerance) => {
  test.each(CASES.filter(({ name }) => dtype !== "bfloat16" || !/direction|orthogonality/.test(name)))(
    "$name",
    (one) => {
      torch.scope(() =>
        expectAlike(
          withFormulas(() => run(one, dtype)),
          run(one, dtype),
          tolerance,
        ),
      );
    },
  );
});

test.skipIf(isPlain).each(["float16", "float32"] as const)("a dtype without kernels uses formulas: %s", (dtype) => {
  torch.scope(() => {
    const x = frozen([2, 3], dtype);
    expect(usesKernel(x, { isTwiceDifferentiable: false })).toBe(dtype === "float32");
    expect(dropout(x, 0.5, KEY).dtype).toBe(dtype);
  });
});

test("dropout's masks are the kernel's to the bit, however many elements", () => {
  torch.scope(() => {
    for (const count of [1, 15, 64, 65, 1000]) {
      const drop = () => dropout(torch.ones([count]), 0.37, { seed: SEED, stream: 2 ** 32 - 1 }).toArray();
      expect(withFormulas(drop)).toEqual(drop());
    }
    for (const before of [1, 7, 2 ** 20]) {
      const drop = () => dropout(torch.ones([5, 33]), 0.37, { seed: SEED, stream: streamOf(3, before) }).toArray();
      expect(withFormulas(drop)).toEqual(drop());
    }
    const none = () => dropout(torch.ones([9]), 1, KEY).toArray();
    expect(none()).toEqual(new Array(9).fill(0));
    expect(withFormulas(none)).toEqual(none());
  });
});

test("a cache's attention and writing", () => {
  torch.scope(() => {
    const spans = (starts: readonly number[], lengths: readonly number[]) => ({
      starts,
      lengths,
      startsTensor: ids(...starts),
      lengthsTensor: ids(...lengths),
    });
    const attend = () => {
      const caches = [1, 2].map((seed) => torch.clone(drawer(seed)([20, 4], "float32"))) as [
        torch.Tensor,
        torch.Tensor,
      ];
      const added = rowLayout([1, 2]);
      const [keys, values] = caches.map((rows) => ({ rows })) as [CachedPart, CachedPart];
      for (const cache of [keys, values]) writeRows(cache, frozen([3, 4], "float32"), added, spans([14, 4], []));
      const cached = { keys, values, ...spans([10, 3], [5, 3]) };
      const options = { heads: 2, kvHeads: 1, layout: added, scale: undefined, before: 2 };
      return [...caches, attentionCached(frozen([3, 8], "float32"), cached, options)];
    };
    expectAlike(withFormulas(attend), attend(), 1e-6);
  });
});

test("a cache in int8: what is written, and its attention", () => {
  torch.scope(() => {
    const places = { starts: [10, 3], startsTensor: ids(10, 3) };
    const spans = { ...places, lengths: [5, 3], lengthsTensor: ids(5, 3) };
    for (const dtype of ["float32", "bfloat16", "float64"] as const) {
      const draw = (seed: number, shape: number[]) => drawer(seed)(shape, dtype);
      const attend = () => {
        const [keys, values] = [1, 2].map((seed) => {
          const part = { rows: torch.zeros([20, 8], { dtype: "int8" }), scales: torch.zeros([20, 2]) };
          writeRows(part, draw(seed, [8, 8]), rowLayout([5, 3]), places);
          return part;
        }) as [Required<CachedPart>, Required<CachedPart>];
        const options = { heads: 4, kvHeads: 2, layout: rowLayout([1, 2]), scale: undefined, before: 2 };
        const out = attentionCached(draw(4, [3, 16]), { keys, values, ...spans }, options);
        return { written: [keys.rows, keys.scales, values.rows, values.scales], out };
      };
      const [kernel, formula] = [attend(), withFormulas(attend)];
      for (const [i, part] of kernel.written.entries()) expect(formula.written[i]?.toArray()).toEqual(part?.toArray());
      expectAlike([formula.out], [kernel.out], dtype === "bfloat16" ? 1e-2 : 1e-6);
    }
  });
});

test("products of several layers, and a product's gradient", () => {
  torch.scope(() => {
    const [x, weights] = [frozen([3, 5], "float32"), [drawer(1)([4, 5], "float32"), drawer(2)([2, 5], "float32")]];
    const both = () => [...linears(x, weights, []), linearInputGradient(frozen([3, 4], "float32"), weights[0]!)];
    expectAlike(withFormulas(both), both(), 1e-6);
  });
});

test("an optimizer's step", () => {
  torch.scope(() => {
    const step = () => {
      const draw = (seed: number) => [
        torch.clone(drawer(seed)([3, 4], "float32")),
        torch.clone(drawer(seed)([2], "float32")),
      ];
      // Strided, as a transposed table and its gradient are.
      const strided = (tensors: torch.Tensor[]) =>
        tensors.map((tensor) => (tensor.shape.length === 2 ? torch.t(torch.contiguous(torch.t(tensor))) : tensor));
      const [parameters, gradients, means] = [strided(draw(1)), draw(2), strided(draw(3))];
      const meanSquares = strided(draw(4).map((tensor) => torch.square(tensor)));
      const clipped = scaled(strided(gradients), 0.5);
      const numbers = { lr: 0.1, beta1: 0.9, beta2: 0.99, weightDecay: 0.1, epsilon: 1e-8 };
      adamw({ parameters, gradients: clipped, means, meanSquares }, 3, numbers);
      return [totalNorm(gradients), ...parameters, ...means, ...meanSquares];
    };
    expectAlike(withFormulas(step), step(), 1e-6);
  });
});

describe("what a pass asks for", () => {
  const [once, twice] = [{ isTwiceDifferentiable: false }, { isTwiceDifferentiable: true }];

  test.skipIf(isPlain)("ends with it, also where it throws", () => {
    const x = torch.ones([1]);
    expect(() =>
      twiceDifferentiable(() => {
        expect(isTwiceDifferentiable()).toBe(true);
        expect([usesKernel(x, once), usesKernel(x, twice)]).toEqual([false, true]);
        throw new RangeError("within");
      }),
    ).toThrow(RangeError);
    expect(isTwiceDifferentiable()).toBe(false);
    expect(usesKernel(x, once)).toBe(true);
  });

  test("formulas within formulas stay formulas", () => {
    const x = torch.ones([1]);
    expect(withFormulas(() => twiceDifferentiable(() => usesKernel(x, twice)))).toBe(false);
  });

  test("formulas that are differentiated twice keep what a checkpoint would compute again", () => {
    expect(withFormulas(() => twiceDifferentiable(isTwiceDifferentiable))).toBe(true);
  });

  test("what the bits depend on names the ISA variant of the kernels, or that there are none", () => {
    const { isaVariant } = torch.engineFacts();
    expect(withFormulas(arithmetic)).toContain("BIDORA_KERNELS=plain");
    if (!isPlain) expect(arithmetic()).toMatch(new RegExp(`, ${isaVariant}( and AMX)?$`));
  });
});
