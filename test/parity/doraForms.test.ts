// Shapes: x [n, in], W0 [out, in], A [r, in], B [out, r], m [out] or [in], y [n, out].

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LowRank, type MagnitudeAxis, mergedWeight, type NormGradient } from "../../src/models/adapters/index.js";
import { DoraEmbedding, DoraLinear } from "../../src/models/adapters/methods/doraLayers.js";
import {
  type Dropout,
  Embedding,
  EVALUATION,
  type ForwardContext,
  Linear,
  type MaskSource,
  Parameter,
} from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { twiceDifferentiable } from "../../src/torch/operators/choose.js";
import { directionNorm, squaredNorm } from "../../src/torch/operators/linear/directionNorm.js";
import { gradientsOf } from "../../src/training/steps/batchGradients.js";
import { differentiable } from "../torch/operators/passes.js";
import { expectSameBits } from "../torch/sameBits.js";
import { relativeError } from "./goldenFiles.js";

torch.setThreads(1);

interface Shape {
  readonly rows: number;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  readonly axis: MagnitudeAxis;
  readonly normGradient: NormGradient;
  readonly bias: boolean;
  readonly seed: number;
}

const size = fc.integer({ min: 1, max: 9 });
const shapes = fc.record<Shape>({
  rows: size,
  in: size,
  out: size,
  rank: fc.integer({ min: 1, max: 4 }),
  axis: fc.constantFrom("out", "in"),
  normGradient: fc.constantFrom("detached", "full"),
  bias: fc.boolean(),
  seed: fc.integer({ min: 0, max: 1e6 }),
});
const dimOf = (axis: MagnitudeAxis) => (axis === "out" ? 1 : 0);

function normals(seed: number) {
  const generator = new torch.Generator(seed);
  return (shape: number[]) => torch.normal_(torch.empty(shape, { dtype: "float64" }), 0, 1, { generator });
}

/** A layer with a DoRA adapter whose tensors are all random. */
function draw(shape: Shape) {
  const normal = normals(shape.seed);
  const layer = new Linear(shape.in, shape.out, { bias: shape.bias });
  layer.weight.fill(normal([shape.out, shape.in]));
  layer.bias?.fill(normal([shape.out]));
  const [a, b] = [normal([shape.rank, shape.in]), normal([shape.out, shape.rank])];
  const magnitude = normal([shape.axis === "out" ? shape.out : shape.in]);
  const trained = [a, b, magnitude].map((tensor) => tensor.setRequiresGrad(true)) as [
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
  ];
  const lowRank = new LowRank({ a: Parameter.of(a), b: Parameter.of(b) }, 0.7, 0.5);
  layer.setAdapter(
    new DoraLinear(lowRank, Parameter.of(magnitude), shape.axis, shape.normGradient, layer.weight.values),
  );
  return { layer, lowRank, magnitude, trained, x: normal([shape.rows, shape.in]), normal };
}

type Drawn = ReturnType<typeof draw>;

/** W' = m·V/‖V‖, computed literally. */
function denseWeight({ layer, lowRank, magnitude }: Drawn, { axis, normGradient }: Shape): torch.Tensor {
  const v = torch.add(layer.weight.tensor, lowRank.product());
  const norm = torch.linalgVectorNorm(v, 2, [dimOf(axis)], true);
  const gain = torch.div(torch.unsqueeze(magnitude, dimOf(axis)), normGradient === "full" ? norm : torch.detach(norm));
  return torch.mul(v, gain);
}

/** x·W0ᵀ + b + x̃·(W' − W0)ᵀ, with x̃ = x without dropout. */
function denseForward(drawn: Drawn, shape: Shape, mask?: torch.Tensor): torch.Tensor {
  const { layer, x } = drawn;
  const change = torch.sub(denseWeight(drawn, shape), layer.weight.tensor);
  const dropped = mask ? torch.mul(x, mask) : x;
  return torch.add(torch.linear(x, layer.weight.tensor, layer.bias?.tensor), torch.linear(dropped, change));
}

const lossOf = (y: torch.Tensor, weights: torch.Tensor) => torch.sum(torch.mul(torch.tanh(y), weights));

/** The value, the gradient of a nonlinear function of it, and that gradient's directional derivative. */
function derivatives(y: torch.Tensor, { trained, normal }: Drawn, weights: torch.Tensor): torch.Tensor[] {
  const gradients = gradientsOf(lossOf(y, weights), trained, { createGraph: true });
  const along = gradients.map((gradient) => torch.mul(gradient, normal(gradient.shape as number[])));
  const slope = along.map((product) => torch.sum(product)).reduce((sum, part) => torch.add(sum, part));
  return [y, ...gradients, ...gradientsOf(slope, trained)];
}

class OneMask implements MaskSource {
  constructor(private readonly only: torch.Tensor) {}
  draw(_dropout: Dropout, _shape: readonly number[]): torch.Tensor {
    return this.only;
  }
}

function compare(shape: Shape, isDropped: boolean): void {
  torch.scope(() => {
    const [fast, dense] = [draw(shape), draw(shape)];
    const weights = fast.normal([shape.rows, shape.out]);
    const mask = isDropped
      ? torch.mulScalar(torch.to(torch.gtScalar(fast.normal([shape.rows, shape.in]), 0), "float64"), 2)
      : undefined;
    dense.normal([shape.rows, shape.out]);
    if (isDropped) dense.normal([shape.rows, shape.in]);
    const context: ForwardContext = { masks: mask && new OneMask(mask) };
    const twice = twiceDifferentiable(() => fast.layer.forward(fast.x, context));
    const actual = derivatives(twice, fast, weights);
    const expected = derivatives(denseForward(dense, shape, mask), dense, weights);
    for (const [i, tensor] of actual.entries()) expectNear(tensor, expected[i]!, 1e-8);
    const once = fast.layer.forward(fast.x, context);
    const first = [once, ...gradientsOf(lossOf(once, weights), fast.trained)];
    for (const [i, tensor] of first.entries()) expectNear(tensor, expected[i]!, 1e-8);
  });
}

/** Relative to the largest element, or absolute if that is below one, since a derivative may be zero up to rounding. */
function expectNear(actual: torch.Tensor, expected: torch.Tensor, tolerance: number): void {
  const scale = Math.max(1, ...expected.toArray().map(Math.abs));
  const difference = torch.noGrad(() => torch.max(torch.abs(torch.sub(actual, expected))).item());
  expect(difference / scale).toBeLessThan(tolerance);
}

describe("the fast form and its first and second derivatives equal the dense formula's", () => {
  test("without dropout", () =>
    fc.assert(
      fc.property(shapes, (shape) => compare(shape, false)),
      { numRuns: 150, seed: 20410 },
    ));
  test("with dropout", () =>
    fc.assert(
      fc.property(shapes, (shape) => compare(shape, true)),
      { numRuns: 150, seed: 20410 },
    ));
});

describe("a direction that nearly cancels the weight", () => {
  test("has the norm of the dense formula", () => {
    const remainders = fc.integer({ min: 1, max: 9 }).map((digits) => 10 ** -digits);
    fc.assert(
      fc.property(shapes, remainders, ({ seed, axis, in: columns, out, rank }, remainder) => {
        torch.scope(() => {
          const normal = normals(seed);
          const lowRank = new LowRank(
            { a: Parameter.of(normal([rank, columns])), b: Parameter.of(normal([out, rank])) },
            0.7,
            0,
          );
          const rest = torch.mulScalar(normal([out, columns]), remainder);
          const weight = torch.sub(rest, lowRank.product());
          const norm = directionNorm(
            { weight, squaredBase: squaredNorm(weight, axis, "float64"), ...lowRank.factors },
            axis,
          );
          expect(relativeError(norm, torch.linalgVectorNorm(rest, 2, [dimOf(axis)]))).toBeLessThan(1e-5);
        });
      }),
      { numRuns: 150, seed: 20410 },
    );
  });
});

/** A layer with a row or column of zeros, and B zero as at the start of a run. */
function drawDead(axis: MagnitudeAxis, normGradient: NormGradient, deadMagnitude: number) {
  const shape: Shape = { rows: 3, in: 4, out: 4, rank: 2, axis, normGradient, bias: true, seed: 3 };
  const drawn = draw(shape);
  const { layer, lowRank, magnitude } = drawn;
  torch.noGrad(() => {
    torch.zero_(torch.select(layer.weight.tensor, axis === "out" ? 0 : 1, 2));
    torch.zero_(lowRank.b);
    torch.copy_(magnitude, torch.sqrt(squaredNorm(layer.weight.tensor, axis, "float64")));
    torch.fill_(torch.narrow(magnitude, 0, 2, 1), deadMagnitude);
  });
  const adapter = new DoraLinear(lowRank, Parameter.of(magnitude), axis, normGradient, layer.weight.values);
  layer.setAdapter(adapter);
  return { ...drawn, adapter };
}

describe.each(["out", "in"] as const)("a weight with a row or column of zeros, axis %s", (axis) => {
  test.each(["detached", "full"] as const)("starts as the base model and learns, norm gradient %s", (normGradient) => {
    for (const differentiateTwice of [true, false]) {
      const drawn = drawDead(axis, normGradient, 0);
      const { layer, trained, x, normal } = drawn;
      const y = differentiable(differentiateTwice, () => layer.forward(x, { masks: undefined }));
      expect(y.toArray()).toEqual(layer.base(x).toArray());
      const found = differentiateTwice
        ? derivatives(y, drawn, normal([3, 4]))
        : gradientsOf(torch.sum(torch.tanh(y)), trained);
      for (const tensor of found) expect(tensor.toArray().every(Number.isFinite)).toBe(true);
      expect(found.some((tensor) => tensor.toArray().some((element) => Math.abs(element) > 1e-3))).toBe(true);
    }
  });

  test("contributes no output and no gradient for any magnitude, as in BiDoRA's retraining", () => {
    for (const differentiateTwice of [true, false]) {
      const [asBefore, moved] = [0, 0.7].map((deadMagnitude) => {
        const { layer, trained, x } = drawDead(axis, "full", deadMagnitude);
        const y = differentiable(differentiateTwice, () => layer.forward(x, { masks: undefined }));
        return [y, ...gradientsOf(torch.sum(torch.tanh(y)), trained)].map((tensor) => tensor.toArray());
      });
      expect(moved).toEqual(asBefore);
    }
  });

  test("is merged consistently with the forward pass", () => {
    for (const deadMagnitude of [0, 0.7]) {
      const { layer, adapter, x, lowRank, normal } = drawDead(axis, "full", deadMagnitude);
      const merged = () => torch.linear(x, mergedWeight({ layer, adapter }), layer.bias!.tensor);
      const forward = () => layer.forward(x, { masks: undefined });
      expectNear(merged(), forward(), 1e-12);
      torch.noGrad(() => torch.copy_(lowRank.b, normal([4, 2])));
      expectNear(merged(), forward(), 1e-12);
    }
  });
});

test("an embedding with a dimension of zeros starts as the base model, learns, and is merged", () => {
  const normal = normals(4);
  const layer = new Embedding(5, 3);
  layer.weight.fill(normal([5, 3]));
  torch.zero_(torch.select(layer.weight.tensor, 1, 1));
  const [a, b] = [normal([2, 5]), torch.zeros([3, 2], { dtype: "float64" })];
  const magnitude = torch.sqrt(squaredNorm(layer.weight.tensor, "in", "float64"));
  const trained = [a, b, magnitude].map((tensor) => tensor.setRequiresGrad(true));
  const lowRank = new LowRank({ a: Parameter.of(a), b: Parameter.of(b) }, 0.7, 0);
  const adapter = new DoraEmbedding(lowRank, Parameter.of(magnitude), "full", layer.weight.values);
  layer.setAdapter(adapter);
  const ids = torch.tensor([0, 4, 4, 2], undefined, "int64");
  const rows = twiceDifferentiable(() => layer.forward(ids, { masks: undefined }));
  expect(rows.toArray()).toEqual(layer.base(ids).toArray());
  const gradients = gradientsOf(torch.sum(torch.tanh(rows)), trained, { createGraph: true });
  const slope = gradients.map((gradient) => torch.sum(gradient)).reduce((sum, part) => torch.add(sum, part));
  for (const gradient of [...gradients, ...gradientsOf(slope, trained)])
    expect(gradient.toArray().every(Number.isFinite)).toBe(true);
  expect(mergedWeight({ layer, adapter }).toArray()).toEqual(layer.weight.tensor.toArray());
});

test("with a row of zeros, the other rows of a float32 weight still start bit by bit", () => {
  const generator = new torch.Generator(6);
  const layer = new Linear(200, 150);
  for (const [, place] of layer.namedParameters())
    place.fill(torch.normal_(torch.empty(place.shape), 0, 1, { generator }));
  torch.zero_(torch.select(layer.weight.tensor, 0, 7));
  const x = torch.normal_(torch.empty([9, 200]), 0, 1, { generator });
  const before = layer.forward(x, EVALUATION);
  for (const axis of ["out", "in"] as const) {
    const magnitude = torch.sqrt(squaredNorm(layer.weight.tensor, axis, "float32"));
    const lowRank = new LowRank(
      { a: Parameter.of(torch.ones([4, 200])), b: Parameter.of(torch.zeros([150, 4])) },
      1,
      0,
    );
    layer.setAdapter(new DoraLinear(lowRank, Parameter.of(magnitude), axis, "detached", layer.weight.values));
    expectSameBits(layer.forward(x, EVALUATION), before);
  }
});

test("an embedding's rows equal the dense formula", () => {
  fc.assert(
    fc.property(shapes, ({ seed, in: count, out: dim, rank, normGradient, rows }) => {
      torch.scope(() => {
        const normal = normals(seed);
        const layer = new Embedding(count, dim);
        layer.weight.fill(normal([count, dim]));
        const lowRank = new LowRank(
          { a: Parameter.of(normal([rank, count])), b: Parameter.of(normal([dim, rank])) },
          0.7,
          0,
        );
        const magnitude = normal([dim]);
        layer.setAdapter(new DoraEmbedding(lowRank, Parameter.of(magnitude), normGradient, layer.weight.values));
        const v = torch.add(layer.weight.tensor, torch.t(lowRank.product())); // count,dim
        const table = torch.mul(v, torch.div(magnitude, torch.linalgVectorNorm(v, 2, [0])));
        const ids = torch.tensor(
          Array.from({ length: rows }, (_, i) => (seed + 7 * i) % count),
          undefined,
          "int64",
        );
        const looked = layer.forward(ids, { masks: undefined });
        expectNear(looked, torch.indexSelect(table, 0, ids), 1e-10);
      });
    }),
    { numRuns: 60, seed: 20410 },
  );
});
