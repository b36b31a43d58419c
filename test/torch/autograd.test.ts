import { expect, it } from "vitest";
import * as torch from "../../src/torch/index.js";
import { expectClose, nested } from "./nested.js";

const leaf = (...values: number[]) => torch.tensor(values).setRequiresGrad(true);
const cube = (x: torch.Tensor) => torch.sum(torch.pow(x, 3));

it("accumulates gradients in the leaves", () => {
  const x = leaf(1, 2);
  torch.backward(cube(x));
  torch.backward(cube(x));
  expect(x.grad?.toArray()).toEqual([6, 24]);
  x.setGrad(torch.zeros([2]));
  torch.backward(torch.square(x), { gradient: torch.tensor([1, 10]) });
  expect(x.grad?.toArray()).toEqual([2, 40]);
});

it("records according to the grad mode, also after exceptions", () => {
  const x = leaf(1);
  expect(torch.square(x).requiresGrad).toBe(true);
  torch.noGrad(() => {
    expect(torch.square(x).requiresGrad).toBe(false);
    expect(torch.enableGrad(() => torch.square(x).requiresGrad)).toBe(true);
    expect(torch.square(x).requiresGrad).toBe(false);
  });
  expect(() =>
    torch.noGrad(() => {
      throw new Error("mine");
    }),
  ).toThrow("mine");
  expect(torch.square(x).requiresGrad).toBe(true);
});

it("grad returns gradients weighted by gradOutputs and leaves the leaves alone", () => {
  const [x, y] = [leaf(2), leaf(5)];
  const [dx, dy] = torch.grad([torch.mul(x, y), torch.square(x)], [x, y], {
    gradOutputs: [torch.tensor([1]), torch.tensor([10])],
  });
  expect([dx?.item(), dy?.item()]).toEqual([5 + 40, 2]);
  expect(x.grad).toBeUndefined();
});

it("grad returns undefined for an unused input only when that is allowed", () => {
  const [x, y] = [leaf(2), leaf(5)];
  expect(() => torch.grad([torch.square(x)], [x, y])).toThrow(/not have been used/);
  const [dx, dy] = torch.grad([torch.square(x)], [x, y], { allowUnused: true });
  expect([dx?.item(), dy]).toEqual([4, undefined]);
});

it("keeps the graph on request", () => {
  const x = leaf(2);
  const y = torch.square(x);
  torch.grad([y], [x], { retainGraph: true });
  torch.grad([y], [x]);
  expect(() => torch.grad([y], [x])).toThrow(/second time/);
});

it("differentiates twice and three times", () => {
  const x = leaf(1, 2);
  const [first] = torch.grad([cube(x)], [x], { createGraph: true });
  const [second] = torch.grad([torch.sum(first as torch.Tensor)], [x], { createGraph: true });
  const [third] = torch.grad([torch.sum(second as torch.Tensor)], [x]);
  expect([first, second, third].map((tensor) => tensor?.toArray())).toEqual([
    [3, 12],
    [6, 12],
    [6, 6],
  ]);
});

it("a Hessian product of layer norm, GELU and cross-entropy agrees with finite differences", () => {
  const options = { dtype: "float64" } as const;
  const generator = new torch.Generator(5);
  const draw = (shape: number[]) => torch.normal_(torch.empty(shape, options), 0, 1, { generator });
  const [input, weight, direction] = [draw([4, 6]), draw([3, 6]), draw([3, 6])];
  const labels = torch.tensor([0, 1, 2, 1], [4], "int64");
  const gradient = (w: torch.Tensor, createGraph: boolean) => {
    const hidden = torch.gelu(torch.linear(torch.layerNorm(input, [6]), w));
    return torch.grad([torch.crossEntropyLoss(hidden, labels)], [w], { createGraph })[0] as torch.Tensor;
  };
  weight.setRequiresGrad(true);
  const product = torch.sum(torch.mul(gradient(weight, true), direction));
  const [exact] = torch.grad([product], [weight]);
  const at = (step: number) =>
    gradient(torch.add(torch.detach(weight), direction, { alpha: step }).setRequiresGrad(true), false);
  const difference = torch.divScalar(torch.sub(at(1e-5), at(-1e-5)), 2e-5);
  expectClose(nested(exact as torch.Tensor), nested(difference));
  expect(torch.norm(difference).item()).toBeGreaterThan(0.01);
});

it("a tensor's version counts in-place changes", () => {
  const x = torch.ones([1]);
  const before = x.version;
  torch.addScalar_(x, 1);
  expect(x.version).toBe(before + 1);
});

it("refuses gradients of integers and of inner tensors", () => {
  expect(() => torch.ones([1], { dtype: "int64" }).setRequiresGrad(true)).toThrow(/floating point/);
  expect(() => torch.square(leaf(1)).setRequiresGrad(false)).toThrow(/leaf/);
});
