import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { expectSameBits } from "../sameBits.js";
import { differentiated, drawer, expectAlike, withThreads } from "./support.js";

const TOLERANCES = [
  ["float64", 1e-13],
  ["float32", 1e-5],
  ["bfloat16", 2e-2],
] as const;
const SCALE = 1.5;

/** Trained tensors are float32 beside bfloat16. */
const trainedType = (dtype: torch.DType): torch.DType => (dtype === "bfloat16" ? "float32" : dtype);

interface Inputs {
  readonly x: torch.Tensor;
  readonly weight: torch.Tensor;
  readonly bias: torch.Tensor | null;
  readonly a: torch.Tensor;
  readonly b: torch.Tensor;
  readonly gain?: torch.Tensor;
  readonly branch?: torch.Tensor;
}

/** All inputs but the weight are to be differentiated. */
function differentiable({ x, bias, a, b, gain, branch }: Inputs): torch.Tensor[] {
  return [x, bias, a, b, gain, branch].filter((tensor) => tensor instanceof torch.Tensor);
}

function fused({ x, weight, bias, a, b, gain, branch }: Inputs): torch.Tensor {
  return torch.lowRankLinear(x, weight, bias, a, b, SCALE, { gain: gain ?? null, branch: branch ?? null });
}

/** In the precision of its inputs. */
function formula({ x, weight, bias, a, b, gain, branch }: Inputs): torch.Tensor {
  const reduced = torch.linear(branch ?? x, a);
  const direction = torch.add(torch.linear(x, weight), torch.linear(reduced, b), { alpha: SCALE });
  const scaled = gain ? torch.mul(direction, gain) : direction;
  return bias ? torch.add(scaled, bias) : scaled;
}

function convert(inputs: Inputs, dtype: torch.DType, trained: torch.DType): Inputs {
  const leaf = (tensor: torch.Tensor, type: torch.DType) =>
    torch.clone(torch.to(torch.detach(tensor), type)).setRequiresGrad(true);
  const { x, weight, bias, a, b, gain, branch } = inputs;
  return {
    x: leaf(x, dtype),
    weight: torch.to(weight, dtype),
    bias: bias && leaf(bias, dtype),
    a: leaf(a, trained),
    b: leaf(b, trained),
    ...(gain && { gain: leaf(gain, trained) }),
    ...(branch && { branch: leaf(branch, dtype) }),
  };
}

interface Form {
  readonly name: string;
  readonly bias: boolean;
  readonly gain?: "near one" | "near zero";
  readonly branch?: boolean;
}

const FORMS: readonly Form[] = [
  { name: "LoRA", bias: true },
  { name: "LoRA without bias", bias: false },
  { name: "LoRA with an input of its own for the branch", bias: true, branch: true },
  { name: "DoRA", bias: true, gain: "near one" },
  { name: "DoRA without bias", bias: false, gain: "near one" },
  { name: "DoRA with gains that cannot be divided by", bias: true, gain: "near zero" },
  { name: "DoRA with an input of its own for the branch", bias: true, gain: "near one", branch: true },
];

/** Drawn in `dtype`'s numbers: n tokens, in, out and rank that are multiples of nothing. */
function draw(form: Form, dtype: torch.DType): Inputs {
  const normal = drawer(3);
  const trained = trainedType(dtype);
  const gain = form.gain && torch.addScalar(torch.mulScalar(normal([301], trained), 0.1), 1);
  if (form.gain === "near zero" && gain) torch.zero_(torch.narrow(gain, 0, 5, 1));
  return {
    x: normal([131, 77], dtype),
    weight: normal([301, 77], dtype),
    bias: form.bias ? normal([301], dtype) : null,
    a: normal([5, 77], trained),
    b: torch.mulScalar(normal([301, 5], trained), 0.2),
    ...(gain && { gain }),
    ...(form.branch && { branch: normal([131, 77], dtype) }),
  };
}

describe("a linear layer with its low-rank update", () => {
  describe.each(TOLERANCES)("%s", (dtype, tolerance) => {
    test.each(FORMS)("$name: value and gradients agree with the formula", (form) => {
      torch.scope(() => {
        const drawn = draw(form, dtype);
        const gradient = drawer(4)([131, 301], dtype);
        const run = (compute: (inputs: Inputs) => torch.Tensor, type: torch.DType, trained: torch.DType) => {
          const inputs = convert(drawn, type, trained);
          return differentiated(compute(inputs), differentiable(inputs), gradient);
        };
        const actual = run(fused, dtype, trainedType(dtype));
        expectAlike(actual, run(formula, "float64", "float64"), tolerance);
        const types = [dtype, ...differentiable(convert(drawn, dtype, trainedType(dtype))).map((x) => x.dtype)];
        expect(actual.map((tensor) => tensor?.dtype)).toEqual(types);
      });
    });

    test("a gain of 1 changes no bit", () => {
      torch.scope(() => {
        const { gain: _gain, ...inputs } = draw({ name: "", bias: true, gain: "near one" }, dtype);
        const ones = torch.ones([301], { dtype: trainedType(dtype) });
        expectSameBits(fused({ ...inputs, gain: ones }), fused(inputs));
      });
    });
  });

  test("each gradient is the same alone as among all", () => {
    torch.scope(() => {
      const inputs = convert(
        draw({ name: "", bias: true, gain: "near one", branch: true }, "float32"),
        "float32",
        "float32",
      );
      const gradient = drawer(4)([131, 301], "float32");
      const gradientsOf = (leaves: torch.Tensor[]) => torch.grad([fused(inputs)], leaves, { gradOutputs: [gradient] });
      const leaves = differentiable(inputs);
      for (const [i, together] of gradientsOf(leaves).entries())
        expect(torch.equal(gradientsOf([leaves[i]!])[0]!, together!)).toBe(true);
    });
  });

  // MKL sums its products otherwise with other threads, and so may BLAS, which computes them at a lower level of instructions.
  test.skipIf(torch.engineFacts().mkl).for(torch.engineFacts().ownProducts as torch.DType[])(
    "the same bits with any number of threads in %s",
    (dtype) => {
      torch.scope(() => {
        for (const form of FORMS) {
          const drawn = draw(form, dtype);
          const gradient = drawer(4)([131, 301], dtype);
          const run = () => {
            const inputs = convert(drawn, dtype, trainedType(dtype));
            return differentiated(fused(inputs), differentiable(inputs), gradient);
          };
          const [one, ...others] = [1, 2, 3].map((threads) => withThreads(threads, run));
          for (const other of others) for (const [i, tensor] of other.entries()) expectSameBits(tensor!, one![i]!);
        }
      });
    },
  );

  test("a second derivative is refused", () => {
    torch.scope(() => {
      const inputs = convert(draw(FORMS[3]!, "float32"), "float32", "float32");
      const total = torch.sum(fused(inputs));
      expect(() => torch.grad([total], [inputs.a], { createGraph: true })).toThrow(/second derivative/);
    });
  });

  test("wrong shapes and dtypes are named in the error", () => {
    torch.scope(() => {
      const { x, weight, bias, a, b } = draw(FORMS[0]!, "float32");
      const call = (parts: Partial<Inputs>) => fused({ x, weight, bias, a, b, ...parts });
      expect(() => call({ b: torch.t(b) })).toThrow(/A of \[r, in\] and B of \[out, r\]/);
      expect(() => call({ gain: torch.ones([2]) })).toThrow(/a bias and a gain of \[301\]/);
      expect(() => call({ x: torch.to(x, "bfloat16") })).toThrow(/input's dtype/);
      expect(() => call({ weight: torch.clone(weight).setRequiresGrad(true) })).toThrow(/frozen weight/);
    });
  });
});

describe("the regularizer's products with G = WᵀW", () => {
  const sizes = [1, 63, 64, 130] as const;
  const cases = TOLERANCES.flatMap(([dtype, tolerance]) => sizes.map((size) => ({ dtype, tolerance, size })));

  test.each(cases)(
    "$dtype, $size columns: value, gradient and second derivative agree with the definition",
    ({ dtype, tolerance, size }) => {
      torch.scope(() => {
        const normal = drawer(6);
        const [weight, trained] = [normal([40, size], dtype), trainedType(dtype)];
        const drawn = [torch.abs(normal([size], trained)), normal([3, size], trained), normal([3, size], trained)];
        const run = (form: (w: torch.Tensor, p: torch.Tensor, q: torch.Tensor) => torch.Tensor, type: torch.DType) => {
          const leaves = drawn.map((x) => torch.clone(torch.to(x, type)).setRequiresGrad(true));
          const value = form(...(leaves as [torch.Tensor, torch.Tensor, torch.Tensor]));
          const squared = torch.square(torch.mulScalar(value, 1e-3)); // so that the gradient's own gradient is not linear
          const slopes = torch.grad([squared], leaves, { createGraph: true }) as torch.Tensor[];
          const along = slopes.map((slope, i) => torch.sum(torch.mul(slope, torch.sin(leaves[i]!))));
          const total = along.reduce((sum, part) => torch.add(sum, part));
          return [value, ...slopes, ...torch.grad([total], leaves)];
        };
        const wide = torch.to(weight, "float64");
        const gram = torch.mm(torch.t(wide), wide);
        const expected = run((w, p, q) => {
          const squares = torch.sum(torch.mul(torch.mv(torch.square(gram), w), w));
          return torch.add(squares, torch.sum(torch.mul(torch.mm(p, gram), q)), { alpha: 4 });
        }, "float64");
        const diagonal = torch.to(torch.diagonal(gram), trained);
        const actual = run((w, p, q) => torch.gramForm(torch.gramTiles(weight), diagonal, w, p, q), trained);
        expectAlike(actual, expected, tolerance);
      });
    },
  );

  test("the same bits with any number of threads", () => {
    torch.scope(() => {
      const normal = drawer(6);
      const weight = normal([40, 300], "float32");
      const inputs = [normal([300], "float32"), normal([2, 300], "float32"), normal([2, 300], "float32")] as const;
      const diagonal = torch.sumDim(torch.square(weight), [0]);
      const [one, three] = [1, 3].map((threads) =>
        withThreads(threads, () => torch.gramForm(torch.gramTiles(weight), diagonal, ...inputs)),
      );
      expectSameBits(one!, three!);
    });
  });

  test("tiles of another matrix are refused", () => {
    torch.scope(() => {
      const [tiles, v] = [torch.gramTiles(torch.ones([2, 64])), torch.ones([65])];
      expect(() => torch.gramForm(tiles, v, v, torch.ones([1, 65]), torch.ones([1, 65]))).toThrow(/65 columns/);
    });
  });
});
