import { describe, expect, test } from "vitest";
import * as torch from "../../src/torch/index.js";
import { expectSameBits } from "./sameBits.js";

const random = (shape: readonly number[], seed: number) =>
  torch.normal_(torch.empty(shape), 0, 1, { generator: new torch.Generator(seed) });

const [weight, gain] = [random([6, 6], 1), random([6], 2)];

/** Uses an input twice, and a list of tensors. */
function layer(x: torch.Tensor, other: torch.Tensor): torch.Tensor {
  const [a, b] = torch.fastLinears(torch.rowNorm(x, gain, null, 1e-5, { centered: true }), [weight, weight], []);
  return torch.add(torch.siluMul(a as torch.Tensor, b as torch.Tensor), torch.mul(x, other));
}

const record = (inputs: readonly torch.Tensor[], body: () => torch.Tensor) =>
  torch.noGrad(() => torch.recordPass(inputs, body));
const run = (pass: torch.RecordedPass | undefined, ...inputs: readonly torch.Tensor[]) =>
  torch.noGrad(() => pass?.run(inputs));

test("a repeated pass has the bits of its code with the same inputs", () => {
  const [x, other] = [random([3, 6], 3), random([3, 6], 4)];
  const { output, pass } = record([x, other], () => torch.scope(() => layer(x, other)));
  expectSameBits(output, layer(x, other));
  for (const seed of [5, 6]) {
    const given = [random([3, 6], seed), random([3, 6], 10 * seed)] as const;
    expectSameBits(run(pass, ...given)!, layer(...given));
  }
});

test("sees what is written to a tensor that outlives the pass, and writes to it", () => {
  const sum = torch.zeros([3]);
  const x = random([3], 7);
  const { pass } = record([x], () => torch.clone(torch.add_(sum, x)));
  const [expected, next] = [sum.toArray(), random([3], 8)];
  torch.add_(sum, torch.tensor([1, 2, 3]));
  const found = run(pass, next)!;
  expect(found.toArray()).toEqual(sum.toArray());
  for (const [i, value] of sum.toArray().entries())
    expect(value).toBeCloseTo((expected[i] as number) + i + 1 + (next.toArray()[i] as number), 5);
});

describe("is not repeated", () => {
  const x = random([3, 6], 9);
  const squares = record([x], () => torch.square(x)).pass;

  test.each<[string, () => torch.Tensor]>([
    ["draws random numbers", () => torch.bernoulli_(torch.clone(x), 0.5)],
    ["reads a value", () => torch.mulScalar(x, torch.sum(x).item())],
    ["reads values", () => torch.mulScalar(x, torch.sum(x).toArray()[0] as number)],
    ["makes a tensor from numbers", () => torch.add(x, torch.tensor([1, 2, 3, 4, 5, 6]))],
    ["writes to an input", () => torch.clone(torch.add_(x, x))],
    ["writes to a tensor that it made", () => torch.clone(torch.add_(torch.empty([3, 6]), x))],
    ["returns an input", () => x],
    ["repeats another", () => torch.add(x, run(squares, x)!)],
  ])("a pass that %s", (_, body) => {
    expect(record([x], body).pass).toBeUndefined();
  });

  test("a pass in grad mode, or within another", () => {
    expect(torch.recordPass([x], () => torch.square(x)).pass).toBeUndefined();
    const inner: unknown[] = [];
    record([x], () => {
      const { output, pass } = torch.recordPass([x], () => torch.square(x));
      inner.push(pass);
      return output;
    });
    expect(inner).toEqual([undefined]);
  });

  test("with inputs of another shape, dtype or number, or that are the same tensor where they were two", () => {
    const [a, b] = [random([3, 6], 10), random([3, 6], 11)];
    const { pass } = record([a, b], () => torch.sub(a, b));
    expect(run(pass, a, random([1, 6], 12))).toBeUndefined();
    expect(run(pass, a, torch.castTo(b, "float64"))).toBeUndefined();
    expect(run(pass, a)).toBeUndefined();
    expect(run(pass, a, a)).toBeUndefined();
    const { pass: squares } = record([a, a], () => torch.mul(a, a));
    expect(run(squares, a, b)).toBeUndefined();
    expectSameBits(run(squares, b, b)!, torch.mul(b, b));
    expect(pass?.run([a, b])).toBeUndefined(); // in grad mode
    expectSameBits(run(pass, b, a)!, torch.sub(b, a));
  });

  test("after a tensor that it used was released, whose memory it does not hold", () => {
    const large = torch.keep(torch.ones([1 << 20]));
    const { pass } = record([x], () => torch.scope(() => torch.add(x, torch.narrow(large, 0, 0, 6))));
    expect(run(pass, x)).toBeDefined();
    const before = torch.allocatedBytes();
    large.dispose();
    expect(before - torch.allocatedBytes()).toBeGreaterThan(4_000_000);
    expect(run(pass, x)).toBeUndefined();
  });

  test("after a tensor was changed, from which another was derived that it used", () => {
    const [source, other] = [torch.ones([6]), torch.ones([6])];
    const derived = torch.mulScalar(source, 2);
    const { pass } = record([x], () => {
      torch.dependOn([source]);
      return torch.add(x, derived);
    });
    torch.add_(other, other);
    expect(run(pass, x)).toBeDefined();
    torch.add_(source, source);
    expect(run(pass, x)).toBeUndefined();
  });

  test("after a tensor that it used was changed", () => {
    const used = torch.ones([6]);
    const { pass } = record([x], () => torch.add(x, used));
    expect(run(pass, x)).toBeDefined();
    torch.add_(used, used);
    expect(run(pass, x)).toBeUndefined();
  });
});

test("holds none of the tensors that it makes while it is recorded", () => {
  const x = torch.ones([1 << 20]);
  const before = torch.allocatedBytes();
  let most = 0;
  record([x], () => {
    let sum = x;
    for (let i = 0; i < 20; i++) {
      const last = sum;
      sum = torch.scope(() => torch.add(last, x));
      if (last !== x) last.dispose();
      most = Math.max(most, torch.allocatedBytes() - before);
    }
    return sum;
  });
  expect(most).toBeLessThan(20_000_000);
});

test("an error while it is recorded or repeated names the operator, and ends neither", () => {
  const [x, rows] = [random([3, 6], 13), torch.tensor([0, 2], [2], "int64")];
  expect(() => record([x], () => torch.mm(x, x))).toThrow("aten::mm");
  const { pass } = record([x, rows], () => torch.indexSelect(x, 0, rows));
  expect(() => run(pass, x, torch.tensor([0, 3], [2], "int64"))).toThrow("aten::index_select");
  expectSameBits(run(pass, x, rows)!, torch.indexSelect(x, 0, rows));
});
