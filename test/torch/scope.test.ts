import { expect, it } from "vitest";
import * as torch from "../../src/torch/index.js";

const { keep, scope, ones } = torch;

/** How many handles `body` leaves behind. */
function left(body: () => unknown): number {
  const before = torch.liveHandles();
  body();
  return torch.liveHandles() - before;
}

it("releases the tensors made inside", () => {
  const inside: torch.Tensor[] = [];
  expect(left(() => scope(() => void inside.push(torch.add(ones([2]), ones([2])))))).toBe(0);
  expect(inside[0]?.isDisposed).toBe(true);
});

it("passes returned tensors to the outer scope, in structures of any depth", () => {
  const circle: Record<string, unknown> = {};
  const result = scope(() => {
    circle.self = circle;
    circle.tensor = ones([1]);
    return {
      list: [ones([1]), new Map([["a", { deep: ones([1]) }]])],
      set: new Set([ones([1])]),
      circle,
      bare: Object.assign(Object.create(null), { x: ones([1]) }),
      number: 5,
      text: "x",
      nothing: null,
    };
  });
  const [first, map] = result.list as [torch.Tensor, Map<string, { deep: torch.Tensor }>];
  const tensors = [first, map.get("a")?.deep, ...result.set, circle.tensor, result.bare.x] as torch.Tensor[];
  expect(tensors.map((tensor) => tensor.item())).toEqual([1, 1, 1, 1, 1]);
  for (const tensor of tensors) tensor.dispose();
});

it("an inner result belongs to the outer scope", () => {
  let inner: torch.Tensor | undefined;
  let outer: torch.Tensor | undefined;
  scope(() => {
    outer = ones([1]);
    inner = scope(() => torch.add(outer as torch.Tensor, ones([1])));
    expect(inner.item()).toBe(2);
    expect(outer.isDisposed).toBe(false);
  });
  expect([inner?.isDisposed, outer?.isDisposed]).toEqual([true, true]);
});

it("does not release kept tensors of any scope", () => {
  const kept: torch.Tensor[] = [];
  scope(() => {
    const outer = ones([1]);
    scope(() => kept.push(keep(outer), keep(keep(ones([1])))));
  });
  expect(kept.map((tensor) => tensor.item())).toEqual([1, 1]);
  expect(left(() => kept.forEach((tensor) => void tensor.dispose()))).toBe(-2);
});

it("lets a tensor be disposed of in an inner scope", () => {
  expect(
    left(() =>
      scope(() => {
        const outer = ones([1]);
        scope(() => outer.dispose());
        expect(outer.isDisposed).toBe(true);
      }),
    ),
  ).toBe(0);
});

it("releases on an exception and restores the outer scope", () => {
  expect(
    left(() =>
      scope(() => {
        const outer = ones([1]);
        expect(() =>
          scope(() => {
            ones([1]);
            throw new Error("mine");
          }),
        ).toThrow("mine");
        ones([1]);
        expect(outer.item()).toBe(1);
      }),
    ),
  ).toBe(0);
});

it("refuses an asynchronous function", () => {
  expect(left(() => expect(() => scope(async () => ones([1]))).toThrow(/synchronous/))).toBe(0);
});

it("a gradient's memory belongs to its leaf, and each reading is one handle", () => {
  const weight = ones([1]).setRequiresGrad(true);
  expect(left(() => scope(() => torch.backward(torch.square(weight))))).toBe(0);
  expect(scope(() => weight.grad?.item())).toBe(2);
  weight.setGrad(undefined);
  expect(weight.grad).toBeUndefined();
});
