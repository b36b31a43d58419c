import { expect, test } from "vitest";
import { gmres } from "../../src/training/hypergradients/gmres.js";

const LIMITS = { tolerance: 1e-13, mostProducts: 50 };

/** A symmetric matrix of random numbers, with eigenvalues of both signs. */
function symmetric(size: number) {
  let state = 1;
  const random = () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647 - 0.5;
  };
  const half = Array.from({ length: size }, () => Array.from({ length: size }, random));
  const rows = half.map((row, i) => row.map((value, j) => value + half[j]![i]!));
  return (x: Float64Array) => Float64Array.from(rows, (row) => row.reduce((sum, value, j) => sum + value * x[j]!, 0));
}

test("an indefinite system is solved after as many products as it has unknowns", async () => {
  const expected = Float64Array.from({ length: 12 }, (_, i) => i - 4);
  const product = symmetric(12);
  const { x, residual, products } = await gmres(product, product(expected), LIMITS);
  for (const [i, value] of expected.entries()) expect(x[i]).toBeCloseTo(value, 9);
  expect(residual).toBeLessThan(1e-11);
  expect(products).toBeLessThanOrEqual(12);
});

test("as many products are made as there are distinct eigenvalues", async () => {
  const product = (x: Float64Array) => x.map((value, i) => (i < 30 ? 2 : -3) * value);
  const { x, products } = await gmres(product, new Float64Array(40).fill(6), LIMITS);
  expect([x[0], x[39], products]).toEqual([expect.closeTo(3, 12), expect.closeTo(-2, 12), 2]);
});

test("a solution that is cut short has the residual that it says", async () => {
  const product = symmetric(12);
  const b = Float64Array.from({ length: 12 }, (_, i) => i + 1);
  const { x, residual, products } = await gmres(product, b, { tolerance: 1e-13, mostProducts: 4 });
  expect(products).toBe(4);
  const left = product(x).map((value, i) => b[i]! - value);
  expect(residual).toBeCloseTo(Math.hypot(...left) / Math.hypot(...b), 12);
  expect(residual).toBeGreaterThan(1e-3);
  expect(residual).toBeLessThan(1);
});

test("the tolerance is relative to the right-hand side, and a side of zero has the solution zero", async () => {
  const product = (x: Float64Array) => x.map((value, i) => (i + 1) * value);
  const b = new Float64Array(20).fill(1e-6);
  const loose = await gmres(product, b, { tolerance: 0.05, mostProducts: 50 });
  expect(loose.residual).toBeLessThan(0.05);
  expect(loose.products).toBeLessThan(20);
  expect(await gmres(product, new Float64Array(3), LIMITS)).toEqual({
    x: new Float64Array(3),
    residual: 0,
    products: 0,
  });
});

test("a singular system whose side is outside its range leaves a residual and no infinite number", async () => {
  const { x, residual } = await gmres((v) => Float64Array.of(v[0]!, 0), Float64Array.of(1, 1), LIMITS);
  expect(x.every(Number.isFinite)).toBe(true);
  expect(residual).toBeCloseTo(Math.SQRT1_2, 9);
});
