import { expect, it } from "vitest";
import { BidoraError } from "../../src/base/errors.js";
import * as torch from "../../src/torch/index.js";
import { native } from "../../src/torch/native/native.js";

function caught(run: () => unknown): torch.TorchError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(torch.TorchError);
    return error as torch.TorchError;
  }
  throw new Error("nothing was thrown");
}

it("an error names the operator, its schema and the shapes", () => {
  const error = caught(() => torch.matmul(torch.ones([2, 3]), torch.ones([4, 5])));
  expect(error).toBeInstanceOf(BidoraError);
  expect(error.code).toBe("TORCH");
  expect(error.operator).toBe("aten::matmul");
  expect(error.schema).toBe("aten::matmul(Tensor self, Tensor other) -> Tensor");
  expect(error.shapes).toBe("[2, 3] Float, [4, 5] Float");
  expect(error.message).toMatch(
    /^aten::matmul\(\[2, 3\] Float, \[4, 5\] Float\): .*shapes cannot be multiplied \(2x3 and 4x5\)$/,
  );
});

it("an error after a call does not name the operator", () => {
  caught(() => torch.matmul(torch.ones([2, 3]), torch.ones([4, 5])));
  torch.ones([1]);
  expect(caught(() => torch.ones([2]).item()).operator).toBe("");
});

it("refuses disposed tensors; dispose may be called again", () => {
  const x = torch.ones([2]);
  const alias = torch.alias(x);
  x.dispose();
  x.dispose();
  expect(x.isDisposed).toBe(true);
  expect(alias.toArray()).toEqual([1, 1]);
  expect(caught(() => torch.neg(x)).message).toMatch(/already released/);
  expect(caught(() => x.item()).message).toMatch(/already released/);
  expect(caught(() => x.shape).message).toMatch(/already released/);
  expect(caught(() => torch.cat([alias, x])).message).toMatch(/argument tensors: .*already released/);
  expect(caught(() => torch.backward(x)).message).toMatch(/already released/);
  expect(caught(() => torch.keep(x)).message).toMatch(/already released/);
});

it("refuses a stale handle whose slot was reused", () => {
  const x = torch.ones([1]);
  const stale = x.handle;
  x.dispose();
  const reused = Array.from({ length: 4 }, () => torch.zeros([1]));
  expect(reused.some((tensor) => tensor.handle % 2 ** 24 === stale % 2 ** 24)).toBe(true);
  expect(caught(() => native.item(stale)).message).toMatch(/already released/);
});

it.each([
  0,
  -1,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  1e300,
  2 ** 53,
  2 ** 53 - 1,
  12345,
  -0,
  {},
  "1",
  null,
  undefined,
  5n,
])("refuses the forged handle %s", (handle) => {
  const live = torch.liveHandles();
  expect(() => native.item(handle as never)).toThrow();
  expect(() => native.backward([handle as never], [], false, false)).toThrow();
  expect(() => native.manualSeed(handle as never, 1)).toThrow();
  try {
    native.releaseOne(handle as never);
  } catch (error) {
    expect(error).toBeInstanceOf(torch.TorchError);
  }
  native.release(Float64Array.of(Number(handle as never)));
  expect(torch.liveHandles()).toBe(live);
});

it("raises errors from inside a backward pass", () => {
  const x = torch.ones([2]).setRequiresGrad(true);
  const middle = torch.exp(x);
  const loss = torch.sum(torch.square(middle));
  torch.noGrad(() => torch.zero_(middle));
  expect(caught(() => torch.backward(loss)).message).toMatch(/modified by an inplace operation/);
  const again = torch.sum(torch.exp(x));
  torch.backward(again);
  expect(caught(() => torch.backward(again)).message).toMatch(/second time/);
  expect(caught(() => torch.backward(torch.ones([1]))).message).toMatch(/does not require grad/);
  expect(caught(() => torch.backward(torch.exp(x))).message).toMatch(/scalar outputs/);
});

it("raises an error when memory cannot be allocated", () => {
  expect(caught(() => torch.empty([2 ** 50])).message).toMatch(/memory/);
  expect(caught(() => torch.ones([-1])).message).toMatch(/-1/);
});
