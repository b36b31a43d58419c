// Shapes: W [out, in], A [r, in], B [out, r].
import { expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { expectSameBits } from "../sameBits.js";
import { drawer, expectAlike, withThreads } from "./support.js";

interface Layer {
  readonly weight: torch.Tensor;
  readonly a: torch.Tensor;
  readonly b: torch.Tensor;
  readonly scale: number;
}

/** Out, in and rank: less than a tile, more than one, larger ones that are begun first, more than twice as wide as high. */
const SIZES = [
  [9, 5, 2],
  [61, 77, 5],
  [140, 64, 1],
  [90, 200, 8],
  [70, 140, 3],
  [71, 140, 3],
  [200, 129, 9],
] as const;

function draw(dtype: torch.DType, trained: torch.DType): Layer[] {
  const normal = drawer(11);
  return SIZES.map(([out, width, rank], i) => ({
    weight: normal([out, width], dtype),
    a: normal([rank, width], trained).setRequiresGrad(true),
    b: torch.mulScalar(normal([out, rank], trained), 0.3).setRequiresGrad(true),
    scale: 1 + i / 4,
  }));
}

/** What is computed once for a layer, by products that are shared out among the threads. */
const gramOf = ({ weight, a }: Layer) => ({
  tiles: torch.gramTiles(weight),
  diagonal: torch.sumDim(torch.square(torch.to(weight, a.dtype)), [0]),
});

function operator(layers: readonly Layer[], grams = layers.map(gramOf)): [torch.Tensor, torch.Tensor] {
  const of = <K extends "weight" | "a" | "b">(name: K) => layers.map((layer) => layer[name]);
  return torch.orthogonality(
    of("weight"),
    grams.map(({ tiles }) => tiles),
    grams.map(({ diagonal }) => diagonal),
    of("a"),
    of("b"),
    layers.map(({ scale }) => scale),
    1e-3,
    1e-26,
  );
}

/** ‖DᵀD − I‖ as it is written, in float64. */
function definition({ weight, a, b, scale }: Layer): torch.Tensor {
  const whole = torch.add(weight, torch.mm(b, a), { alpha: scale });
  const unit = torch.div(whole, torch.linalgVectorNorm(whole, 2, [0], true));
  const identity = torch.eye(weight.shape[1]!, { dtype: "float64" });
  return torch.linalgVectorNorm(torch.sub(torch.mm(torch.t(unit), unit), identity), 2);
}

const trainedOf = (layers: readonly Layer[]) => layers.flatMap(({ a, b }) => [a, b]);

/** The mean and its gradients of A and B, layer by layer. */
const differentiate = (value: torch.Tensor, layers: readonly Layer[]) => [
  value,
  ...torch.grad([torch.mulScalar(value, 3)], trainedOf(layers)),
];

test.each([
  ["float64", "float64", 1e-11],
  ["float32", "float32", 1e-4],
  ["bfloat16", "float32", 5e-3],
] as const)("of %s weights: value and gradients of all layers are the definition's", (dtype, trained, tolerance) => {
  torch.scope(() => {
    const layers = draw(dtype, trained);
    const [value, isWhole] = operator(layers);
    expect(isWhole.item()).toBe(1);
    expect(value.dtype).toBe(trained);
    const wide = (tensor: torch.Tensor) => torch.clone(torch.to(torch.detach(tensor), "float64"));
    const precise = layers.map(({ weight, a, b, scale }) => ({
      weight: wide(weight),
      a: wide(a).setRequiresGrad(true),
      b: wide(b).setRequiresGrad(true),
      scale,
    }));
    const expected = torch.mean(torch.stack(precise.map(definition)));
    expectAlike(differentiate(value, layers), differentiate(expected, precise), tolerance);
  });
});

test("the same bits with any number of threads", () => {
  torch.scope(() => {
    for (const dtype of ["bfloat16", "float64"] as const) {
      const layers = draw(dtype, dtype === "float64" ? dtype : "float32");
      const grams = layers.map(gramOf);
      const [one, two, three] = [1, 2, 3].map((threads) =>
        withThreads(threads, () => differentiate(operator(layers, grams)[0], layers)),
      );
      for (const [i, tensor] of one!.entries()) {
        expectSameBits(two![i]!, tensor!);
        expectSameBits(three![i]!, tensor!);
      }
    }
  });
});

test("gradients of some tensors equal those among all; without a graph there are none", () => {
  torch.scope(() => {
    const layers = draw("float64", "float64");
    const { b } = layers[1]!;
    const all = torch.grad([operator(layers)[0]], trainedOf(layers));
    expectSameBits(torch.grad([operator(layers)[0]], [b])[0]!, all[3]!);
    expect(torch.noGrad(() => operator(layers)[0]).requiresGrad).toBe(false);
    layers[0]!.a.setRequiresGrad(false);
    expectSameBits(torch.grad([operator(layers)[0]], [b])[0]!, all[3]!);
  });
});

test("cancelling terms are reported: orthogonal columns, and columns that the update cancels", () => {
  torch.scope(() => {
    const [first] = draw("float64", "float64") as [Layer, ...Layer[]];
    const orthogonal = { ...first, weight: torch.narrow(torch.eye(9, { dtype: "float64" }), 1, 0, 5) };
    torch.noGrad(() => torch.zero_(orthogonal.b));
    expect(operator([orthogonal])[1].item()).toBe(0);
    const { weight, a, b, scale } = draw("float64", "float64")[1]!;
    const product = torch.noGrad(() => torch.mulScalar(torch.mm(b, a), -scale * (1 - 1e-4)));
    expect(operator([{ weight: product, a, b, scale }])[1].item()).toBe(0);
    expect(operator([{ weight, a, b, scale }])[1].item()).toBe(1);
  });
});

test("mismatched operands and a second derivative are refused", () => {
  torch.scope(() => {
    const [layer] = draw("float64", "float64") as [Layer, ...Layer[]];
    expect(() => operator([])).toThrow(/at least one weight/);
    expect(() => operator([{ ...layer, a: layer.b }])).toThrow(/expected A of \[r, in\] and B of \[out, r\]/);
    const [value] = operator([layer]);
    expect(() => torch.grad([value], [layer.a], { createGraph: true })).toThrow(/no second derivative/);
  });
});
