import { expect, test, vi } from "vitest";
import { ESTIMATOR_FACTS, estimatorNames } from "../../src/tasks/config/options/bidora.js";
import * as torch from "../../src/torch/index.js";
import {
  CG_DAMPING,
  cg,
  ESTIMATORS,
  exact,
  finiteDifference,
  forwardDifference,
  implicitSecondTerm,
  type LowerPoint,
  stepSize,
} from "../../src/training/hypergradients/estimators.js";
import { doubleBackward } from "../../src/training/hypergradients/secondDerivatives.js";
import { gradientsOf } from "../../src/training/steps/batchGradients.js";

const leaf = (...values: number[]) => torch.tensor(values, [values.length], "float64").setRequiresGrad(true);

/** L(V, M) = Σ v₁²·m₁, which depends on neither v₂ nor m₂. */
function toy(m: readonly [number, number] = [5, 7], notes: string[] = []): LowerPoint {
  const lower = [leaf(1, 2), leaf(3)];
  const upper = [leaf(...m), leaf(11)];
  const loss = torch.sum(torch.mul(torch.square(lower[0]!), upper[0]!));
  const gradients = gradientsOf(loss, lower, { createGraph: true });
  return {
    lower,
    upper,
    lowerGradients: gradients,
    ...doubleBackward(() => ({ lower, upper, gradients })),
    upperGradients: [torch.square(lower[0]!), leaf(0)],
    upperGradientsAt: () => {
      throw new Error("no step to take");
    },
    note: (text) => void notes.push(text),
  };
}

const values = (tensors: readonly torch.Tensor[]) => tensors.map((tensor) => [...tensor.toArray()]);
const u = [leaf(1, 10), leaf(100)];

test("a gradient is zero where the loss does not depend on a tensor", () => {
  expect(values(toy().lowerGradients)).toEqual([[10, 28], [0]]);
});

test("products with second derivatives are zero where the loss does not depend on a tensor", () => {
  expect(values(toy().mixedProduct(u))).toEqual([[2, 40], [0]]);
  const point = toy();
  expect(values(point.hessianProduct(u))).toEqual([[10, 140], [0]]);
  // The graph is still there for another product.
  expect(values(point.mixedProduct(u))).toEqual([[2, 40], [0]]);
  const { lower, upper } = point;
  const gradients = [leaf(0, 0), leaf(0)].map((tensor) => torch.detach(tensor));
  const flat = doubleBackward(() => ({ lower, upper, gradients }));
  expect(values(flat.mixedProduct(u))).toEqual([[0, 0], [0]]);
});

test("a direction of length zero has a second term of zero without a finite difference", () => {
  const zero = [leaf(0, 0), leaf(0)];
  expect(stepSize(zero)).toBeUndefined();
  expect(stepSize([leaf(3), leaf(4)])).toBeCloseTo(0.002, 12);
  for (const estimator of [finiteDifference(), forwardDifference(), exact])
    expect(values(estimator.secondTerm!(toy(), { v: u, weighted: () => zero, rates: [0, 0] }))).toEqual([[0, 0], [0]]);
});

test("conjugate gradients stop without curvature of the damped Hessian, at a zero residual, or where it curves downwards", () => {
  const notes: string[] = [];
  const secondTerm = (m: readonly [number, number], v: torch.Tensor[]) =>
    values(cg({ terms: 9 }).secondTerm!(toy(m, notes), { v, weighted: () => v, rates: [1, 1] }));
  expect(secondTerm([-5, 7], [leaf(1, 0), leaf(0)])).toEqual([[0, 0], [0]]);
  expect(notes).toEqual([expect.stringContaining("negative curvature")]);
  // The first direction curves upwards and the second downwards: the iterate between them is kept.
  const [kept] = secondTerm([5, -1], [leaf(2, 1), leaf(0)]) as [[number, number]];
  const step = 5 / (4 * (10 + CG_DAMPING) + (-2 + CG_DAMPING));
  expect(kept[0]).toBeCloseTo(2 * 2 * step, 12);
  expect(kept[1]).toBeCloseTo(2 * 2 * step, 12);
  expect(notes).toHaveLength(2);
  expect(secondTerm([-CG_DAMPING / 2, 7], [leaf(1, 0), leaf(0)])).toEqual([[0, 0], [0]]);
  expect(secondTerm([5, 7], [leaf(0, 0), leaf(0)])).toEqual([[0, 0], [0]]);
  const [[first]] = secondTerm([5, 7], [leaf(1, 0), leaf(0)]) as [[number]];
  expect(first).toBeCloseTo(2 / (10 + CG_DAMPING), 12);
});

test.each([
  ["a minimum", [5, 7]],
  ["a saddle point", [5, -7]],
] as const)("the implicit target solves the damped system exactly, at %s", async (_, m) => {
  const limits = { tolerance: 1e-12, mostProducts: 9 };
  const afterProduct = vi.fn(async () => {});
  const { second, solution } = await implicitSecondTerm(toy(m), [leaf(1, 10), leaf(100)], limits, afterProduct);
  const [first, rest] = values(second) as [number[], number[]];
  // 2·v₁·x with x = v / (2m + λ)
  expect(first[0]).toBeCloseTo(2 / (2 * m[0] + CG_DAMPING), 9);
  expect(first[1]).toBeCloseTo(40 / (2 * m[1] + CG_DAMPING), 9);
  expect(rest).toEqual([0]);
  expect(solution.products).toBe(3);
  expect(solution.residual).toBeLessThan(1e-12);
  // The last product is that of the residual.
  expect(afterProduct).toHaveBeenCalledTimes(4);
});

test.each(estimatorNames)("%s depends on exactly the settings that apply to it", (name) => {
  const secondTerm = (terms: number, xi: number) => {
    const point = toy();
    const at: LowerPoint["upperGradientsAt"] = ([step], epsilon) => [
      torch.square(torch.add(point.lower[0]!, torch.mulScalar(step!, epsilon))),
      leaf(0),
    ];
    const weighted = torch.noGrad(() => u.map((tensor) => torch.mulScalar(tensor, xi)));
    const direction = { v: u, weighted: () => weighted, rates: [0.01, 0.01] };
    const estimator = ESTIMATORS[name]({ terms });
    return values(torch.noGrad(() => estimator.secondTerm?.({ ...point, upperGradientsAt: at }, direction) ?? []));
  };
  const { usesXi, usesTerms } = ESTIMATOR_FACTS[name];
  const plain = JSON.stringify(secondTerm(1, 0.1));
  expect(JSON.stringify(secondTerm(1, 0.2)) !== plain).toBe(usesXi);
  expect(JSON.stringify(secondTerm(4, 0.1)) !== plain).toBe(usesTerms);
});
