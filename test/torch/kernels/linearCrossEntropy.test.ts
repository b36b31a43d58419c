// Shapes: K rows, H hidden size, V vocabulary.
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { expectSameBits } from "../sameBits.js";
import { distance, drawer, expectAlike, withThreads } from "./support.js";

const DTYPES = ["float32", "bfloat16", "float64"] as const;
const SIZES = [
  [1, 6, 2],
  [5, 7, 33],
  [13, 18, 1030],
  [70, 34, 5001],
] as const;

interface Operands {
  readonly hidden: torch.Tensor;
  readonly weight: torch.Tensor;
  readonly bias: torch.Tensor;
  readonly targets: torch.Tensor;
}

function operands(rows: number, size: number, vocabulary: number, dtype: torch.DType): Operands {
  const draw = drawer(rows + vocabulary);
  const targets = Array.from({ length: rows }, (_, k) => (k * 7919) % vocabulary);
  return {
    hidden: draw([rows, size], dtype),
    weight: draw([vocabulary, size], dtype),
    bias: draw([vocabulary], dtype),
    targets: torch.tensor(targets, [rows], "int64"),
  };
}

const leaves = ({ hidden, weight, bias }: Operands, dtype = hidden.dtype) =>
  [hidden, weight, bias].map((x) => torch.to(torch.detach(x), dtype).setRequiresGrad(true)) as Leaves;

type Leaves = [torch.Tensor, torch.Tensor, torch.Tensor];

const SUM = 2;
/** From logits that are rounded as the operator's are. */
function plain(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor): torch.Tensor {
  const logits = torch.linear(x, weight, bias);
  return torch.crossEntropyLoss(x.dtype === "float64" ? logits : torch.to(logits, "float32"), targets, null, SUM);
}

/** The sum in float64, but from logits that are rounded as those of `given` in chunks: products round by the number of rows. */
function exact([x, weight, bias]: Leaves, given: Operands, chunk: number): torch.Tensor {
  const logits = torch.linear(x, weight, bias);
  const [rows, step] = [given.hidden.shape[0]!, chunk || given.hidden.shape[0]!];
  const parts = Array.from({ length: Math.ceil(rows / step) }, (_, i) =>
    torch.linear(torch.narrow(given.hidden, 0, i * step, Math.min(step, rows - i * step)), given.weight, given.bias),
  );
  const rounding = torch.detach(torch.sub(torch.to(torch.cat(parts), "float64"), logits));
  return torch.crossEntropyLoss(torch.add(logits, rounding), given.targets, null, SUM);
}

describe.each(DTYPES)("%s", (dtype) => {
  const tolerance = dtype === "float64" ? 1e-12 : dtype === "float32" ? 1e-6 : 2e-2;

  test.each(SIZES)("%i rows of %i numbers, %i tokens: value and all gradients, in chunks of any size", (...sizes) => {
    for (const chunk of [0, 1, 4, 12])
      torch.scope(() => {
        const given = operands(...sizes, dtype);
        const [own, other] = [leaves(given), leaves(given, "float64")];
        const [x, weight, bias] = own;
        const [loss, gradient] = torch.linearCrossEntropy(x, weight, bias, given.targets, { chunk });
        const expected = exact(other, given, chunk);
        expect(distance(loss, expected)).toBeLessThan(dtype === "bfloat16" ? 5e-3 : tolerance);
        const gradOutputs = [torch.tensor([0.37], [], loss.dtype)];
        const [found, wanted] = [
          torch.grad([loss], own, { gradOutputs, retainGraph: true }),
          torch.grad([expected], other, { gradOutputs: [torch.to(gradOutputs[0]!, "float64")] }),
        ];
        expectAlike(found, wanted, tolerance);
        expectAlike(torch.grad([loss], own, { gradOutputs }), wanted, tolerance);
        expect(distance(torch.mulScalar(gradient, 0.37), wanted[0]!)).toBeLessThan(tolerance);
      });
  });

  test("has the same bits whatever the chunk and the number of threads", () => {
    const given = operands(29, 18, 1030, dtype);
    const run = (chunk: number) => {
      const x = torch.detach(given.hidden).setRequiresGrad(true);
      const [loss, gradient] = torch.linearCrossEntropy(x, given.weight, given.bias, given.targets, { chunk });
      return [loss, gradient];
    };
    const [loss, gradient] = withThreads(1, () => run(0)) as [torch.Tensor, torch.Tensor];
    // A library's products may differ with either.
    const isOwn = torch.engineFacts().ownProducts.includes(dtype);
    for (const threads of isOwn ? [1, 2, 3] : [1])
      for (const chunk of isOwn ? [0, 1, 5, 12] : [0]) {
        const [again, other] = withThreads(threads, () => run(chunk)) as [torch.Tensor, torch.Tensor];
        expectSameBits(again, loss, `${threads} threads, chunk ${chunk}`);
        expectSameBits(other, gradient, `${threads} threads, chunk ${chunk}`);
      }
  });

  test("the second derivative along a direction agrees with the formula", () => {
    for (const [rows, size, vocabulary] of SIZES)
      for (const chunk of [0, 1, 4])
        torch.scope(() => {
          const { hidden, weight, bias, targets } = operands(rows, size, vocabulary, dtype);
          const along = drawer(99)([rows, size], dtype);
          const [x, w, b] = [hidden, weight, bias].map((given) => torch.to(given, "float64"));
          const leaf = torch.detach(x!).setRequiresGrad(true);
          const [gradient] = torch.grad([plain(leaf, w!, b!, targets)], [leaf], { createGraph: true });
          const [expected] = torch.grad([gradient!], [leaf], { gradOutputs: [torch.to(along, "float64")] });
          const found = torch.linearCrossEntropyTangent(hidden, along, weight, bias, { chunk });
          expect(distance(found, expected!)).toBeLessThan(dtype === "bfloat16" ? 5e-2 : 2 * tolerance);
        });
  });
});

test.each(DTYPES)(
  "each row's loss in %s: its value, and the gradient of x, in the same bits as of a single row",
  (dtype) => {
    for (const [rows, size, vocabulary] of SIZES)
      for (const chunk of [0, 1, 4])
        torch.scope(() => {
          const { hidden, weight, bias, targets } = operands(rows, size, vocabulary, dtype);
          const x = torch.detach(hidden).setRequiresGrad(true);
          const [losses] = torch.linearCrossEntropy(x, weight, bias, targets, { chunk, each: true });
          expect(losses.shape).toEqual([rows]);
          const [sum] = torch.linearCrossEntropy(x, weight, bias, targets, { chunk });
          expect(distance(torch.sum(losses), sum)).toBeLessThan(1e-6);
          const own = drawer(5)([rows], losses.dtype);
          const [found] = torch.grad([losses], [x], { gradOutputs: [own] });
          expect(found!.dtype).toBe(dtype);
          const [ofSum] = torch.grad([sum], [x]);
          const wanted = torch.mul(torch.to(ofSum!, losses.dtype), torch.unsqueeze(own, 1));
          expect(distance(found!, wanted)).toBeLessThan(dtype === "bfloat16" ? 1e-2 : 1e-6);
        });
  },
);

test("each row's loss has no gradient of the weight and the bias", () => {
  const [x, weight, bias] = leaves(operands(3, 6, 10, "float32")) as [torch.Tensor, torch.Tensor, torch.Tensor];
  const targets = torch.tensor([1, 2, 3], [3], "int64");
  const call = (w: torch.Tensor, b: torch.Tensor) => torch.linearCrossEntropy(x, w, b, targets, { each: true });
  expect(() => call(weight, torch.detach(bias))).toThrow("no gradient of the weight");
  expect(() => call(torch.detach(weight), bias)).toThrow("no gradient of the weight");
});

test("no rows: loss and gradients are 0", () => {
  const [x, weight, bias] = leaves(operands(0, 6, 10, "float32")) as [torch.Tensor, torch.Tensor, torch.Tensor];
  const [loss, , correct] = torch.linearCrossEntropy(x, weight, bias, torch.tensor([], [0], "int64"));
  expect([loss.item(), correct.item()]).toEqual([0, 0]);
  const [ofX, ofWeight, ofBias] = torch.grad([loss], [x, weight, bias]);
  expect(ofX!.shape).toEqual([0, 6]);
  for (const zero of [ofWeight!, ofBias!]) expect(zero.toArray().every((value) => value === 0)).toBe(true);
});

test("counts the rows whose target has the largest logit, the first of equals", () => {
  const x = torch.tensor([1, 0, 0, 1, 1, 1, 2, 0], [4, 2]);
  const weight = torch.tensor([1, 0, 0, 1, 0, 1], [3, 2]);
  const count = (...targets: number[]) =>
    torch.linearCrossEntropy(x, weight, null, torch.tensor(targets, [4], "int64"))[2].item();
  expect(count(0, 1, 0, 0)).toBe(4);
  expect(count(0, 2, 1, 1)).toBe(1); // of equal ones the first counts
});

test("large logits do not overflow", () => {
  const x = torch.tensor([1], [1, 1]).setRequiresGrad(true);
  const weight = torch.tensor([1e4, 9990, -1e30], [3, 1]);
  const [loss, gradient] = torch.linearCrossEntropy(x, weight, null, torch.tensor([1], [1], "int64"));
  expect(loss.item()).toBeCloseTo(10.0000454, 5);
  expect(gradient.item()).toBeCloseTo(10 / (1 + Math.exp(-10)), 2);
  const broken = torch.tensor([Number.NaN, 1, 2], [3, 1]);
  expect(torch.linearCrossEntropy(x, broken, null, torch.tensor([1], [1], "int64"))[0].item()).toBeNaN();
});

test("refuses targets outside the vocabulary and wrong shapes", () => {
  const [x, weight] = [torch.zeros([2, 4]), torch.zeros([3, 4])];
  const loss = (...targets: number[]) =>
    torch.linearCrossEntropy(x, weight, null, torch.tensor(targets, [targets.length], "int64"));
  expect(() => loss(0, 3)).toThrow("expected targets of 0 to 2, got 3 for row 1");
  expect(() => loss(-100, 1)).toThrow("expected targets of 0 to 2, got -100 for row 0");
  expect(() => loss(1)).toThrow("expected a target for each row, [2] int64, got [1]");
  expect(() => torch.linearCrossEntropy(x, weight, null, torch.tensor([0, 1]))).toThrow("int64");
  expect(() => torch.linearCrossEntropy(x, torch.zeros([3, 5]), null, torch.tensor([0, 1], [2], "int64"))).toThrow(
    "[2, 4] and [3, 5]",
  );
  expect(
    () => loss(0, 1) && torch.linearCrossEntropy(x, weight, torch.zeros([4]), torch.tensor([0, 1], [2], "int64")),
  ).toThrow("a bias of [out]");
});

test("refuses a second derivative", () => {
  const { hidden, weight, targets } = operands(3, 6, 8, "float32");
  const x = hidden.setRequiresGrad(true);
  const [loss] = torch.linearCrossEntropy(x, weight, null, targets);
  expect(() => torch.grad([loss], [x], { createGraph: true })).toThrow("no second derivative");
});
