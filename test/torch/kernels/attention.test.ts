import { describe, expect, test } from "vitest";
import {
  type AttendOptions,
  type AttentionWindow,
  attend,
  Dropout,
  EVALUATION,
  type MaskSource,
  rowLayout,
  SeededMasks,
} from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { twiceDifferentiable } from "../../../src/torch/operators/choose.js";
import { streamOf } from "../../../src/torch/operators/dropout.js";
import { precise } from "../../support/precise.js";
import { differentiable } from "../operators/passes.js";
import { expectSameBits } from "../sameBits.js";
import { philox } from "./philox.js";
import { differentiated, drawer, expectAlike, withThreads } from "./support.js";

interface Case {
  readonly lengths: readonly number[];
  /** Where keys are more than queries, as a cache has them. */
  readonly keyLengths?: readonly number[];
  readonly heads: number;
  readonly kvHeads?: number;
  readonly size: number;
  readonly p: number;
  readonly causal?: boolean;
  readonly window?: AttentionWindow;
  readonly scale?: number;
  /** Whether there is a bias; the tensor is larger than the longest row needs. */
  readonly biased?: boolean;
}

const MIXED = [1, 5, 512, 64, 17, 70];
const CASES: readonly Case[] = [
  { lengths: MIXED, heads: 2, size: 64, p: 0 },
  { lengths: MIXED, heads: 2, size: 64, p: 0.3 },
  { lengths: [33, 33, 33], heads: 3, size: 32, p: 0.1 },
  { lengths: [2, 130, 65], heads: 2, size: 24, p: 0.5 },
  { lengths: [16, 1, 48], heads: 1, size: 7, p: 0.1 },
  { lengths: [3, 80], heads: 4, size: 1, p: 0 },
  { lengths: MIXED, heads: 4, kvHeads: 2, size: 64, p: 0, causal: true },
  { lengths: MIXED, heads: 4, kvHeads: 1, size: 16, p: 0.3, causal: true },
  { lengths: [1, 3, 70], keyLengths: [9, 3, 300], heads: 2, size: 33, p: 0, causal: true },
  { lengths: [1, 1, 1], keyLengths: [1, 17, 400], heads: 4, kvHeads: 4, size: 80, p: 0.2, causal: true },
  { lengths: [1, 30, 400], heads: 2, kvHeads: 1, size: 8, p: 0.2, causal: true, window: { before: 40 } },
  { lengths: [1, 30, 400], heads: 2, size: 16, p: 0, window: { before: 20, after: 5 } },
  { lengths: [5, 100], keyLengths: [8, 333], heads: 2, size: 16, p: 0, causal: true, window: { before: 1, after: 9 } },
  { lengths: [5, 100], keyLengths: [8, 333], heads: 2, size: 16, p: 0.1, window: { after: 2 } },
  { lengths: [40, 7], keyLengths: [8, 90], heads: 6, kvHeads: 3, size: 16, p: 0.1 },
  { lengths: [1, 70], heads: 2, size: 128, p: 0, causal: true, scale: 0.3 },
  { lengths: [3, 65], heads: 2, kvHeads: 1, size: 256, p: 0.1, causal: true },
  { lengths: MIXED, heads: 2, size: 64, p: 0, biased: true },
  { lengths: [2, 130, 65], heads: 4, kvHeads: 2, size: 24, p: 0.5, scale: 0.3, biased: true },
  { lengths: [1, 30, 400], heads: 2, size: 16, p: 0, window: { before: 20, after: 5 }, biased: true },
  { lengths: [5, 100], keyLengths: [8, 333], heads: 2, kvHeads: 1, size: 7, p: 0, causal: true, biased: true },
];

type Three = [torch.Tensor, torch.Tensor, torch.Tensor];

const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);

/** q, k, v, a gradient and, if there is one, the bias, drawn in float64 and rounded to `dtype`. */
function draw(
  { lengths, keyLengths = lengths, heads, kvHeads = heads, size, biased }: Case,
  dtype: torch.DType,
): torch.Tensor[] {
  const normal = drawer(1);
  const [queries, keys] = [
    [sumOf(lengths), heads * size],
    [sumOf(keyLengths), kvHeads * size],
  ];
  const bias = [heads, Math.max(...lengths) + 1, Math.max(...keyLengths) + 3];
  return [queries, keys, keys, queries, ...(biased ? [bias] : [])].map((shape) => normal(shape!, dtype));
}

const leavesOf = (inputs: readonly torch.Tensor[]) =>
  inputs.slice(0, 3).map((x) => torch.detach(x).setRequiresGrad(true)) as Three;

/** The value and its three gradients. */
function run(
  inputs: readonly torch.Tensor[],
  { lengths, keyLengths, p, biased, ...rest }: Case,
  differentiateTwice: boolean,
) {
  const leaves = leavesOf(inputs);
  const context = { masks: new SeededMasks(77) };
  const layouts = { layout: rowLayout(lengths), keyLayout: keyLengths && rowLayout(keyLengths) };
  const options = { ...rest, ...layouts, bias: inputs[4], dropout: new Dropout(p), context };
  const value = differentiable(differentiateTwice, () => attend(...leaves, options));
  return differentiated(value, leaves, inputs[3]!);
}

const TOLERANCES = [
  ["float64", 1e-13],
  ["float32", 3e-6],
  ["bfloat16", 1e-2],
] as const;

const title =
  "heads $heads/$kvHeads of $size, rows of $lengths/$keyLengths, dropout $p, causal $causal, window $window, bias $biased";

describe("attention agrees with its formula, with the same masks", () => {
  for (const [dtype, tolerance] of TOLERANCES) {
    test.each(CASES)(`${dtype}: ${title}`, (entry) => {
      torch.scope(() => {
        const inputs = draw(entry, dtype);
        expectAlike(run(inputs, entry, false), run(precise(inputs), entry, true), tolerance);
      });
    });
  }
});

/** libtorch's own attention of one row, with a mask made number by number. q: [Lq, H·D], k and v: [Lk, G·D] */
function reference(
  [q, k, v]: Three,
  bias: torch.Tensor | undefined,
  { heads, kvHeads = heads, causal, window, scale }: Case,
): torch.Tensor {
  const [queries, keys] = [q.shape[0]!, k.shape[0]!];
  const split = (x: torch.Tensor, count: number) =>
    torch.unsqueeze(torch.transpose(torch.reshape(x, [x.shape[0]!, count, x.shape[1]! / count]), 0, 1), 0);
  const seen = Array.from({ length: queries * keys }, (_, i) => {
    const distance = Math.floor(i / keys) + keys - queries - (i % keys);
    return (
      (!causal || distance >= 0) && distance <= (window?.before ?? Infinity) && -distance <= (window?.after ?? Infinity)
    );
  });
  const isSeen = torch.tensor(Uint8Array.from(seen, Number), [queries, keys], "bool");
  const part = bias && torch.narrow(torch.narrow(bias, 1, 0, queries), 2, 0, keys);
  const mask = part ? torch.maskedFill(part, torch.logicalNot(isSeen), Number.NEGATIVE_INFINITY) : isSeen;
  const options = { enableGqa: heads !== kvHeads, scale: scale ?? null };
  const mixed = torch.scaledDotProductAttention(
    split(q, heads),
    split(k, kvHeads),
    split(v, kvHeads),
    mask,
    0,
    false,
    options,
  );
  return torch.reshape(torch.transpose(torch.squeeze(mixed, 0), 0, 1), [queries, q.shape[1]!]);
}

/** The same as `run`, row by row. */
function runReference(inputs: readonly torch.Tensor[], entry: Case) {
  const leaves = leavesOf(inputs);
  const { lengths, keyLengths = lengths } = entry;
  const part = (x: torch.Tensor, of: readonly number[], row: number) =>
    torch.narrow(x, 0, sumOf(of.slice(0, row)), of[row]!);
  const [q, k, v] = leaves;
  const values = lengths.map((_, row) =>
    reference([part(q, lengths, row), part(k, keyLengths, row), part(v, keyLengths, row)], inputs[4], entry),
  );
  return differentiated(torch.cat(values, 0), leaves, inputs[3]!);
}

describe("attention agrees with libtorch's, row by row", () => {
  const sizes = [1, 8, 16, 33, 64, 80, 128, 256].map((size, i) => ({
    lengths: [1, 37, 70],
    heads: 4,
    kvHeads: [1, 2, 4][i % 3]!,
    size,
    p: 0,
    causal: i % 2 === 1,
  }));
  const whole = [...CASES.filter(({ p }) => p === 0), ...sizes];
  for (const [dtype, tolerance] of TOLERANCES) {
    test.each(whole)(`${dtype}: ${title}`, (entry) => {
      torch.scope(() => {
        const inputs = draw(entry, dtype);
        const expected = runReference(precise(inputs), entry);
        expectAlike(run(inputs, entry, false), expected, tolerance);
        if (dtype === "float64") expectAlike(run(inputs, entry, true), expected, tolerance);
      });
    });
  }

  test("causal attention agrees with is_causal for as many queries as keys", () => {
    torch.scope(() => {
      const normal = drawer(4);
      const [q, k, v] = [0, 1, 2].map(() => normal([37, 16], "float64")) as Three;
      const rows = [q, k, v].map((x) => torch.view(x, [1, 1, 37, 16])) as Three;
      const expected = torch.view(torch.scaledDotProductAttention(...rows, null, 0, true), [37, 16]);
      const options = { heads: 1, layout: rowLayout([37]), dropout: new Dropout(0), context: EVALUATION };
      expectAlike([attend(q, k, v, { ...options, causal: true })], [expected], 1e-13);
    });
  });
});

test("documents packed into one row do not see each other", () => {
  torch.scope(() => {
    const entry = { lengths: [30, 1, 9], heads: 2, size: 16, p: 0, causal: true };
    const inputs = draw(entry, "float32");
    const options = { heads: 2, dropout: new Dropout(0), context: EVALUATION, causal: true };
    const packed = attend(...(inputs.slice(0, 3) as Three), { ...options, layout: rowLayout(entry.lengths) });
    let start = 0;
    for (const length of entry.lengths) {
      const part = (x: torch.Tensor) => torch.narrow(x, 0, start, length);
      const alone = attend(...(inputs.slice(0, 3).map(part) as Three), { ...options, layout: rowLayout([length]) });
      expect(torch.equal(part(packed), alone)).toBe(true);
      start += length;
    }
  });
});

describe("additional scores", () => {
  const entry = { lengths: [3, 8, 7, 30], heads: 4, kvHeads: 2, size: 8, p: 0.2, causal: true };
  /** Minus the distance times the head's slope (ALiBi, arXiv 2108.12409): [1, H, Lq, Lk] */
  const scores = (q: torch.Tensor, k: torch.Tensor) => {
    const [, heads, queries] = q.shape as [number, number, number];
    const keys = k.shape[2]!;
    const numbers = Array.from({ length: heads * queries * keys }, (_, i) => {
      const slope = 2 ** -(Math.floor(i / keys / queries) + 1);
      return -slope * Math.abs((Math.floor(i / keys) % queries) - (i % keys));
    });
    return torch.tensor(numbers, [1, heads, queries, keys], "float64");
  };
  const attended = (inputs: readonly torch.Tensor[], layout: readonly number[], p: number) => {
    const { heads, kvHeads, causal } = entry;
    const context = { masks: new SeededMasks(5) };
    const options = { heads, kvHeads, causal, scores, layout: rowLayout(layout), dropout: new Dropout(p), context };
    return attend(...(inputs.slice(0, 3) as Three), options);
  };

  test("are added to the scaled products", () => {
    torch.scope(() => {
      const [q, k, v] = draw({ ...entry, lengths: [6] }, "float64") as Three;
      const rows = (x: torch.Tensor, heads: number) => torch.transpose(torch.view(x, [1, x.shape[0]!, heads, 8]), 1, 2);
      const bias = torch.add(
        scores(rows(q, 4), rows(k, 2)),
        torch.maskedFill(torch.zeros([6, 6], { dtype: "float64" }), later(6), Number.NEGATIVE_INFINITY),
      );
      const expected = torch.scaledDotProductAttention(rows(q, 4), rows(k, 2), rows(v, 2), bias, 0, false, {
        enableGqa: true,
      });
      expectAlike([attended([q, k, v], [6], 0)], [torch.reshape(torch.transpose(expected, 1, 2), [6, 32])], 1e-13);
    });
  });

  test("are computed once for each group of rows of similar length", () => {
    torch.scope(() => {
      const inputs = draw(entry, "float64");
      const whole = attended(inputs, entry.lengths, 0);
      const [first] = [3].map((length) => inputs.slice(0, 3).map((x) => torch.narrow(x, 0, 0, length)));
      expectAlike([torch.narrow(whole, 0, 0, 3)], [attended(first!, [3], 0)], 1e-13);
      expect(torch.equal(attended(inputs, entry.lengths, 0.2), whole)).toBe(false);
    });
  });
});

/** True above the diagonal. */
function later(size: number): torch.Tensor {
  const numbers = Uint8Array.from({ length: size * size }, (_, i) => Number(i % size > Math.floor(i / size)));
  return torch.tensor(numbers, [size, size], "bool");
}

test("the kernel serves all but second derivatives, a trained bias, further scores and masks given element by element", () => {
  torch.scope(() => {
    const [q, k, v] = leavesOf(draw({ lengths: [3], heads: 1, size: 4, p: 0.5 }, "float32"));
    const layout = rowLayout([3]);
    const usesKernel = (masks?: MaskSource, options: Partial<AttendOptions> = {}) => {
      const rest = { heads: 1, layout, dropout: new Dropout(0.5), context: { masks }, ...options };
      const { tape } = torch.recordTape(() => attend(q, k, v, rest));
      tape.dispose();
      return tape.calls.some(({ operator }) => operator === "bidora::attention");
    };
    expect(usesKernel()).toBe(true);
    expect(usesKernel(new SeededMasks(1))).toBe(true);
    expect(usesKernel({ draw: () => torch.ones([1, 1, 3, 3]) })).toBe(false);
    expect(usesKernel(undefined, { bias: torch.zeros([1, 3, 3]) })).toBe(true);
    expect(usesKernel(undefined, { bias: torch.zeros([1, 3, 3]).setRequiresGrad(true) })).toBe(false);
    expect(usesKernel(undefined, { scores: (queries) => torch.zeros([1, 1, queries.shape[2]!, 3]) })).toBe(false);
    expect(twiceDifferentiable(() => usesKernel())).toBe(false);
  });
});

test.each([false, true])(
  "more queries than keys are refused where a query sees only some keys, formula: %s",
  (twice) => {
    const entry = { lengths: [3, 5], keyLengths: [3, 4], heads: 1, size: 4, p: 0, causal: true };
    expect(() => run(draw(entry, "float32"), entry, twice)).toThrow(/sequence 1 has 5 queries and 4 keys/);
  },
);

test("its gradients agree with finite differences", () => {
  torch.scope(() => {
    const entry = CASES[3]!;
    const inputs = draw(entry, "float64");
    const [, ...gradients] = run(inputs, entry, false);
    const along = draw({ ...entry, lengths: [197] }, "float64").slice(0, 3);
    const at = (step: number) => {
      const moved = inputs.map((x, i) => (along[i] ? torch.add(x, along[i]!, { alpha: step }) : x));
      return torch.sum(torch.mul(run(moved, entry, false)[0]!, inputs[3]!)).item();
    };
    const difference = (at(1e-5) - at(-1e-5)) / 2e-5;
    const slope = gradients.reduce((sum, gradient, i) => sum + torch.sum(torch.mul(gradient!, along[i]!)).item(), 0);
    expect(difference / slope).toBeCloseTo(1, 7);
  });
});

test("slices of a joint product, large scores and a query that matches only one key", () => {
  torch.scope(() => {
    const entry = { lengths: [40, 3], heads: 2, size: 16, p: 0 };
    const joint = torch.mulScalar(drawer(3)([43, 128], "float32"), 30);
    const slices = [0, 32, 64, 96].map((start) => torch.narrow(joint, 1, start, 32));
    const results = run(slices, entry, false);
    expect(results.every((x) => torch.all(torch.isfinite(x!)).item() === 1)).toBe(true);
    expectAlike(results, run(precise(slices), entry, true), 1e-3);
  });
});

test.each(["float32", "bfloat16"] as const)(
  "%s: the same bits on every run and with any number of threads",
  (dtype) => {
    torch.scope(() => {
      const entry = CASES[1]!;
      const inputs = draw(entry, dtype);
      const [once, ...others] = [1, 1, 2, 3].map((threads) => withThreads(threads, () => run(inputs, entry, false)));
      for (const other of others) for (const [i, tensor] of other.entries()) expectSameBits(tensor!, once![i]!);
    });
  },
);

describe("the mask", () => {
  const SEED = 2 ** 40 + 3;

  test("follows from the counters (key, query / 4, head, stream)", () => {
    torch.scope(() => {
      const [rows, lengths, heads, p] = [[2, 0], [6, 4], 3, 0.3] as const;
      const mask = torch.attentionMask(
        torch.zeros([1], { dtype: "float64" }),
        rows,
        lengths,
        lengths,
        heads,
        p,
        SEED,
        9,
      );
      const numbers = mask.toArray();
      for (const [r, row] of rows.entries())
        for (let head = 0; head < heads; head++)
          for (let i = 0; i < 6; i++)
            for (let j = 0; j < 6; j++) {
              const isThere = Math.max(i, j) < lengths[r]!;
              const number = philox([j, Math.floor(i / 4), row * heads + head, 9], SEED)[i % 4]!;
              const expected = isThere && number >= Math.floor(p * 2 ** 32) ? 1 / (1 - p) : 0;
              expect(numbers[((r * heads + head) * 6 + i) * 6 + j]).toBe(expected);
            }
    });
  });

  test("depends on a row's position in the batch, not on its neighbors' lengths", () => {
    torch.scope(() => {
      const like = torch.zeros([1], { dtype: "float32" });
      const alone = torch.attentionMask(like, [1], [20], [20], 2, 0.5, SEED, 0);
      const padded = torch.attentionMask(like, [0, 1], [50, 20], [50, 20], 2, 0.5, SEED, 0);
      const part = torch.narrow(torch.narrow(torch.narrow(padded, 0, 1, 1), 2, 0, 20), 3, 0, 20);
      expect(torch.equal(alone, part)).toBe(true);
    });
  });
});

describe("rows of other ranks come before its own", () => {
  const [SEED, LENGTHS, BEFORE] = [2 ** 40 + 3, [5, 70, 33, 1, 18], 2] as const;
  const first = sumOf(LENGTHS.slice(0, BEFORE));
  const startsOf = (lengths: readonly number[]) => {
    const ends = lengths.map((_, i) => sumOf(lengths.slice(0, i + 1)));
    return torch.tensor([0, ...ends], [ends.length + 1], "int64");
  };

  test("in the mask", () => {
    torch.scope(() => {
      const like = torch.zeros([1], { dtype: "float32" });
      const maskOf = (rows: readonly number[], lengths: readonly number[], stream: number) =>
        torch.attentionMask(like, rows, lengths, lengths, 3, 0.4, SEED, stream);
      const whole = maskOf([0, 1, 2, 3, 4], [9, 9, 9, 9, 9], 6);
      expectSameBits(maskOf([0, 1, 2], [9, 9, 9], streamOf(6, BEFORE)), torch.narrow(whole, 0, BEFORE, 3));
    });
  });

  test.each(["float64", "float32", "bfloat16"] as const)("in values and gradients of %s", (dtype) => {
    torch.scope(() => {
      const given = draw({ lengths: LENGTHS, heads: 2, size: 16, p: 0.3 }, dtype);
      const run = (part: (whole: torch.Tensor) => torch.Tensor, lengths: readonly number[], stream: number) => {
        const [q, k, v, gradient] = given.map((whole) => torch.detach(part(whole)));
        for (const leaf of [q, k, v]) leaf!.setRequiresGrad(true);
        const [starts, options] = [startsOf(lengths), { p: 0.3, seed: SEED, stream }];
        const value = torch.attention(q!, k!, v!, starts, starts, 2, 2, 0.25, options);
        return [value, ...torch.grad([value], [q!, k!, v!], { gradOutputs: [gradient!] })];
      };
      const own = (whole: torch.Tensor) => torch.narrow(whole, 0, first, sumOf(LENGTHS) - first);
      const all = run((whole) => whole, LENGTHS, 6);
      const found = run(own, LENGTHS.slice(BEFORE), streamOf(6, BEFORE));
      for (const [i, tensor] of found.entries()) expectSameBits(tensor!, own(all[i]!));
    });
  });
});

test("a second derivative is refused", () => {
  torch.scope(() => {
    const x = torch.ones([4, 8]).setRequiresGrad(true);
    const starts = torch.tensor([0, 4], [2], "int64");
    const value = torch.attention(x, x, x, starts, starts, 2, 2, 1);
    expect(() => torch.grad([torch.sum(value)], [x], { createGraph: true })).toThrow(/second derivative/);
  });
});

describe("invalid operands are refused", () => {
  const starts = (...places: number[]) => torch.tensor(places, [places.length], "int64");
  const x = (...shape: number[]) => torch.ones(shape);
  type Call = Parameters<typeof torch.attention>;
  const call = (...changed: [number, unknown][]) => {
    const values: unknown[] = [x(4, 8), x(4, 8), x(4, 8), starts(0, 4), starts(0, 4), 2, 2, 1, {}];
    for (const [place, value] of changed) values[place] = value;
    return () => torch.attention(...(values as Call));
  };

  test.each<[string, RegExp, () => () => torch.Tensor]>([
    [
      "too few tokens",
      /cu_seqlens_q: expected offsets that increase from 0 to 4, the number of tokens/,
      () => call([3, starts(0, 3)]),
    ],
    ["an empty row", /cu_seqlens_q: expected offsets that increase/, () => call([3, starts(0, 2, 2, 4)])],
    [
      "too many keys",
      /cu_seqlens_k: expected offsets that increase from 0 to 4, the number of tokens/,
      () => call([4, starts(0, 5)]),
    ],
    ["rows without keys", /as many rows of keys as of queries, 2, got 1/, () => call([3, starts(0, 2, 4)])],
    ["heads that do not divide", /\[tokens, heads · head size\]/, () => call([5, 3], [6, 3])],
    ["key heads that do not divide", /heads to be a multiple of kv_heads, got 2 and 3/, () => call([6, 3])],
    ["no key heads", /heads to be a multiple of kv_heads/, () => call([6, 0])],
    ["keys of another width", /key and value of \[tokens, 4\]/, () => call([6, 1])],
    ["values unlike the keys", /like the query/, () => call([2, x(3, 8)])],
    ["another dtype", /one dtype/, () => call([1, torch.ones([4, 8], { dtype: "float64" })])],
    ["a scale of 0", /a positive scale/, () => call([7, 0])],
    ["a bias of other heads", /a bias of \[2 heads, queries, keys\]/, () => call([8, { bias: x(1, 4, 4) }])],
    [
      "a bias for fewer keys",
      /a bias for at least 4 queries and 4 keys, got \[2, 4, 3\]/,
      () => call([8, { bias: x(2, 4, 3) }]),
    ],
    [
      "a bias in another dtype",
      /a bias in the query's dtype, Float, got Double/,
      () => call([8, { bias: torch.ones([2, 4, 4], { dtype: "float64" }) }]),
    ],
    ["a trained bias", /no gradient of a bias/, () => call([8, { bias: x(2, 4, 4).setRequiresGrad(true) }])],
    ["a negative window", /`before` and `after` to be at least 0/, () => call([8, { before: -1 }])],
    [
      "more queries than keys in a window",
      /at least as many keys as queries.* got 4 queries and 3 keys in row 0/,
      () => call([1, x(3, 8)], [2, x(3, 8)], [4, starts(0, 3)], [8, { after: 0 }]),
    ],
  ])("%s", (_, message, make) => {
    torch.scope(() => expect(make()).toThrow(message));
  });
});
