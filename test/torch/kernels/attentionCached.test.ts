// Attention over a cache is attention over the same keys laid end to end, to the bit, however tokens come.
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { expectSameBits } from "../sameBits.js";
import { drawer, expectAlike, withThreads } from "./support.js";

interface Case {
  /** New tokens of each sequence, and all of them. */
  readonly queries: readonly number[];
  readonly keys: readonly number[];
  readonly heads: number;
  readonly kvHeads: number;
  readonly size: number;
  readonly before?: number;
  readonly scale?: number;
}

const CASES: readonly Case[] = [
  { queries: [1], keys: [1], heads: 1, kvHeads: 1, size: 2 },
  { queries: [1, 1, 1, 1], keys: [1, 17, 400, 16], heads: 4, kvHeads: 2, size: 64 },
  { queries: [1, 1], keys: [33, 300], heads: 9, kvHeads: 3, size: 64 },
  { queries: [1, 2, 5], keys: [9, 18, 257], heads: 3, kvHeads: 1, size: 80 },
  { queries: [16, 17, 1], keys: [20, 17, 31], heads: 2, kvHeads: 2, size: 16 },
  { queries: [1, 70, 300, 3], keys: [5, 130, 300, 40], heads: 4, kvHeads: 1, size: 32 },
  { queries: [1, 1, 40], keys: [12, 35, 90], heads: 6, kvHeads: 3, size: 7 },
  { queries: [1, 2, 1], keys: [3, 50, 21], heads: 2, kvHeads: 1, size: 34, scale: 0.4 },
  { queries: [1, 3, 1, 30], keys: [60, 400, 8, 90], heads: 4, kvHeads: 2, size: 64, before: 20 },
  { queries: [1, 5], keys: [40, 41], heads: 2, kvHeads: 1, size: 128, before: 0 },
  { queries: [1], keys: [1500], heads: 3, kvHeads: 1, size: 64 },
  { queries: [2, 1], keys: [700, 1300], heads: 3, kvHeads: 1, size: 96 },
  { queries: [4], keys: [1111], heads: 4, kvHeads: 2, size: 40, before: 700 },
];

type Tensors = readonly [torch.Tensor, torch.Tensor, torch.Tensor];

const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);
const longs = (numbers: readonly number[]) => torch.tensor([...numbers], [numbers.length], "int64");
const ends = (lengths: readonly number[]) => [0, ...lengths.map((_, i) => sumOf(lengths.slice(0, i + 1)))];
const scaleOf = ({ scale, size }: Case) => scale ?? 1 / Math.sqrt(size);

/** Queries of the new tokens, keys and values of all, sequence after sequence. */
function draw({ queries, keys, heads, kvHeads, size }: Case, dtype: torch.DType): Tensors {
  const normal = drawer(sumOf(keys) + size);
  const ofKeys = () => normal([sumOf(keys), kvHeads * size], dtype);
  return [normal([sumOf(queries), heads * size], dtype), ofKeys(), ofKeys()];
}

function endToEnd([q, k, v]: Tensors, entry: Case): torch.Tensor {
  const { queries, keys, heads, kvHeads, before = null } = entry;
  const starts = [queries, keys].map((lengths) => longs(ends(lengths))) as [torch.Tensor, torch.Tensor];
  return torch.attention(q, k, v, ...starts, heads, kvHeads, scaleOf(entry), { before, after: 0 });
}

/** Places of sequences in a cache, the last first, with room between them. */
function startsOf(keys: readonly number[]): { readonly starts: readonly number[]; readonly places: number } {
  const spare = 3;
  const starts = keys.map((_, i) => spare + sumOf(keys.slice(i + 1)) + spare * (keys.length - i));
  return { starts, places: sumOf(keys) + spare * (keys.length + 2) };
}

/** Caches full of what is no number, but for the tokens of sequences. */
function cached([, k, v]: Tensors, keys: readonly number[]): [torch.Tensor, torch.Tensor] {
  const { starts, places } = startsOf(keys);
  return [k, v].map((rows) => {
    const cache = torch.full([places, rows.shape[1]!], Number.NaN, { dtype: rows.dtype });
    return torch.writeRows_(cache, rows, longs(ends(keys)), longs(starts));
  }) as [torch.Tensor, torch.Tensor];
}

function overCache(given: Tensors, entry: Case, caches = cached(given, entry.keys)): torch.Tensor {
  const { queries, keys, heads, kvHeads, before = null, scale = null } = entry;
  const starts = longs(startsOf(keys).starts);
  const options = { before, scale };
  return torch.attentionCached(given[0], ...caches, longs(ends(queries)), starts, longs(keys), heads, kvHeads, options);
}

const title = "heads $heads/$kvHeads of $size, $queries new of $keys, before $before";

describe.each(["float32", "bfloat16", "float64"] as const)("%s", (dtype) => {
  test.each(CASES)(`the same bits as attention over concatenated keys: ${title}`, (entry) => {
    torch.scope(() => {
      const given = draw(entry, dtype);
      const expected = endToEnd(given, entry);
      for (const threads of [1, 2, 3, 8])
        expectSameBits(
          withThreads(threads, () => overCache(given, entry)),
          expected,
        );
    });
  });

  test("a token's bits depend neither on its neighbors nor on how many are computed at once", () => {
    torch.scope(() => {
      const whole = { queries: [90], keys: [90], heads: 6, kvHeads: 2, size: 32 };
      const given = draw(whole, dtype);
      const expected = endToEnd(given, whole);
      const other = draw({ ...whole, queries: [2], keys: [37] }, dtype);
      const caches = [torch.zeros([140, 64], { dtype }), torch.zeros([140, 64], { dtype })] as const;
      for (const [i, cache] of caches.entries()) torch.writeRows_(cache, other[i + 1]!, longs([0, 37]), longs([100]));
      let length = 0;
      for (const count of [41, 1, 1, 2, 3, 20, 1, 9, 12]) {
        const part = (x: torch.Tensor) => torch.narrow(x, 0, length, count);
        for (const [i, cache] of caches.entries())
          torch.writeRows_(cache, part(given[i + 1]!), longs([0, count]), longs([length]));
        length += count;
        const call = (q: torch.Tensor, starts: number[], places: number[], lengths: number[]) =>
          torch.attentionCached(q, ...caches, longs(starts), longs(places), longs(lengths), 6, 2);
        const [from, until] = [length - count, length];
        const wanted = torch.contiguous(torch.narrow(expected, 0, from, count));
        expectSameBits(call(torch.narrow(given[0], 0, from, count), [0, count], [0], [until]), wanted);
        const both = torch.cat([other[0], torch.narrow(given[0], 0, from, count)], 0);
        const beside = call(both, [0, 2, 2 + count], [100, 0], [37, until]);
        expectSameBits(torch.contiguous(torch.narrow(beside, 0, 2, count)), wanted);
      }
    });
  });

  test("queries, keys and values may be slices of joint products", () => {
    torch.scope(() => {
      const entry = { queries: [1, 2], keys: [40, 7], heads: 4, kvHeads: 2, size: 10 };
      const [q, k, v] = draw(entry, dtype);
      const expected = endToEnd([q, k, v], entry);
      for (const start of [0, 1, 2]) {
        const beside = (x: torch.Tensor) => {
          const pad = (width: number) => torch.zeros([x.shape[0]!, width], { dtype });
          return torch.narrow(torch.cat([pad(start), x, pad(3)], 1), 1, start, x.shape[1]!);
        };
        const caches = cached([q, k, v], entry.keys).map(beside) as [torch.Tensor, torch.Tensor];
        expectSameBits(overCache([beside(q), k, v], entry, caches), expected);
      }
    });
  });
});

test("it agrees with the formula", () => {
  torch.scope(() => {
    for (const entry of CASES.filter(({ queries }) => queries.length === 1)) {
      const given = draw(entry, "float64");
      const expected = torch.to(endToEnd(given, entry), "float32");
      expectAlike([overCache(given.map((x) => torch.to(x, "float32")) as never, entry)], [expected], 3e-6);
    }
  });
});

/** A cache's rows in int8, and what they are decoded to. */
function rounded(rows: torch.Tensor, heads: number) {
  const [count, width] = rows.shape as [number, number];
  const [codes, scales] = [
    torch.full([count, width], 77, { dtype: "int8" }),
    torch.full([count, heads], 5, { dtype: "float32" }),
  ];
  torch.writeRowsInt8_(codes, scales, rows, longs([0, count]), longs([0]));
  const [numbers, factors] = [[...codes.toArray()], [...scales.toArray()]];
  const decoded = numbers.map((code, i) => Math.fround(code * (factors[Math.floor((i * heads) / width)] as number)));
  return { codes, scales, decoded: torch.to(torch.tensor(decoded, [count, width]), rows.dtype) };
}

describe.each(["float32", "bfloat16", "float64"] as const)("int8 keys and values, and queries of %s", (dtype) => {
  test.each(CASES)(`the same bits as over the decoded cache: ${title}`, (entry) => {
    torch.scope(() => {
      const { queries, keys, heads, kvHeads, before = null, scale = null } = entry;
      const given = draw(entry, dtype);
      const dense = cached(given, keys).map((rows) => torch.nanToNum(rows)) as [torch.Tensor, torch.Tensor];
      const [ofKeys, ofValues] = dense.map((rows) => rounded(rows, kvHeads)) as [Rounded, Rounded];
      const expected = overCache(given, entry, [ofKeys.decoded, ofValues.decoded]);
      const spans = [longs(ends(queries)), longs(startsOf(keys).starts), longs(keys)] as const;
      const options = { before, scale, keyScales: ofKeys.scales, valueScales: ofValues.scales };
      for (const threads of [1, 2, 8])
        expectSameBits(
          withThreads(threads, () =>
            torch.attentionCached(given[0], ofKeys.codes, ofValues.codes, ...spans, heads, kvHeads, options),
          ),
          expected,
        );
    });
  });

  test("numbers are rounded to within half a code, each head by its own largest", () => {
    torch.scope(() => {
      const rows = torch.cat([draw(CASES[2] as Case, dtype)[1], torch.zeros([1, 192], { dtype })], 0);
      const { decoded, scales } = rounded(rows, 3);
      const [own, other, sizes] = [rows, decoded, scales].map((x) => [...x.toArray()]) as [
        number[],
        number[],
        number[],
      ];
      for (const [i, x] of own.entries()) {
        const scale = sizes[Math.floor(i / 64)] as number;
        const rounding = dtype === "bfloat16" ? Math.abs(x) / 250 : 0;
        expect(Math.abs((other[i] as number) - x)).toBeLessThanOrEqual(0.5001 * scale + rounding);
      }
      expect(sizes.slice(-3)).toEqual([0, 0, 0]);
      expect(Math.max(...other.slice(-192))).toBe(0);
    });
  });
});

type Rounded = ReturnType<typeof rounded>;

test("int8 has codes for the smallest and the largest numbers, and none for what is no number", () => {
  torch.scope(() => {
    const heads = [
      [1e-38, -1e-38],
      [1e-45, 0],
      [3e38, -3e38],
      [Number.NaN, 1],
      [Number.POSITIVE_INFINITY, 1],
      [2, -1],
    ];
    const { codes, scales, decoded } = rounded(torch.tensor(heads.flat(), [1, 12]), 6);
    expect([...codes.toArray()]).toEqual([0, 0, 0, 0, 127, -127, 0, 0, 0, 0, 127, -64]);
    expect([...scales.toArray()].map(Number.isNaN)).toEqual([false, false, false, true, true, false]);
    expect([...decoded.toArray()].slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect([...decoded.toArray()].slice(6, 10).every(Number.isNaN)).toBe(true);
  });
});

describe("invalid int8 operands are refused", () => {
  const codes = (rows: number, width = 4) => torch.zeros([rows, width], { dtype: "int8" });
  const attend = (k: torch.Tensor, v: torch.Tensor, options: object) =>
    torch.attentionCached(torch.ones([1, 8]), k, v, longs([0, 1]), longs([0]), longs([5]), 2, 1, options);
  const write = (of: torch.Tensor, scales: torch.Tensor, rows = torch.ones([2, 4])) =>
    torch.writeRowsInt8_(of, scales, rows, longs([0, 2]), longs([0]));
  const scales = (rows: number, heads = 1) => torch.ones([rows, heads]);

  test.each<[string, RegExp, () => torch.Tensor]>([
    [
      "scales of keys alone",
      /value: expected contiguous scales \[9, 1\] float32/,
      () => attend(codes(9), codes(9), { keyScales: scales(9) }),
    ],
    [
      "scales of values alone",
      /key: expected contiguous scales/,
      () => attend(codes(9), codes(9), { valueScales: scales(9) }),
    ],
    ["no scales", /expected a floating-point tensor/, () => attend(codes(9), codes(9), {})],
    [
      "scales of fewer",
      /key: expected contiguous scales \[9, 1\]/,
      () => attend(codes(9), codes(9), { keyScales: scales(8), valueScales: scales(9) }),
    ],
    [
      "keys that are not int8",
      /key: expected contiguous \[slots, width\] int8/,
      () => attend(torch.ones([9, 4]), codes(9), { keyScales: scales(9), valueScales: scales(9) }),
    ],
    [
      "a length past the last",
      /within the 4 slots of the cache/,
      () => attend(codes(4), codes(4), { keyScales: scales(4), valueScales: scales(4) }),
    ],
    [
      "rows of another width",
      /expected rows of a cache \[slots, heads · size\]/,
      () => write(codes(4), scales(4), torch.ones([2, 3])),
    ],
    [
      "heads that do not divide",
      /expected rows of a cache \[slots, heads · size\]/,
      () => write(codes(4), scales(4, 3)),
    ],
    ["rows that do not fit", /within the 1 slots of the cache, got 2 slots from 0/, () => write(codes(1), scales(1))],
    [
      "rows of whole numbers",
      /expected a floating-point tensor/,
      () => write(codes(4), scales(4), torch.ones([2, 4], { dtype: "int64" })),
    ],
  ])("%s", (_, message, call) => {
    torch.scope(() => expect(call).toThrow(message));
  });
});

describe("invalid operands are refused", () => {
  type Call = Parameters<typeof torch.attentionCached>;
  const call = (...changed: [number, unknown][]) => {
    const [q, cache] = [torch.ones([3, 8]), torch.ones([9, 4])];
    const values: unknown[] = [q, cache, cache, longs([0, 1, 3]), longs([0, 5]), longs([5, 4]), 2, 1, {}];
    for (const [place, value] of changed) values[place] = value;
    return () => torch.attentionCached(...(values as Call));
  };

  test.each<[string, RegExp, () => () => torch.Tensor]>([
    [
      "too few tokens",
      /cu_seqlens_q: expected offsets that increase from 0 to 3, the number of tokens/,
      () => call([3, longs([0, 1, 2])]),
    ],
    ["starts of fewer", /key_starts: expected \[2\] int64/, () => call([4, longs([0])])],
    ["lengths of more", /key_lengths: expected \[2\] int64/, () => call([5, longs([1, 2, 3])])],
    [
      "a place before the first",
      /within the 9 slots of the cache, got 5 slots from -1 for sequence 0/,
      () => call([4, longs([-1, 5])]),
    ],
    [
      "a length past the last",
      /within the 9 slots of the cache, got 5 slots from 5 for sequence 1/,
      () => call([5, longs([5, 5])]),
    ],
    ["fewer keys than queries", /got 1 keys and 2 queries in sequence 1/, () => call([5, longs([5, 1])])],
    ["key heads that do not divide", /heads to be a multiple of kv_heads, got 2 and 3/, () => call([7, 3])],
    ["another width", /key and value of \[tokens, 8\]/, () => call([7, 2])],
    ["another dtype", /one dtype/, () => call([0, torch.ones([3, 8], { dtype: "float64" })])],
    ["a scale of 0", /a positive scale, got 0/, () => call([8, { scale: 0 }])],
    ["a negative window", /`before` to be at least 0, got -1/, () => call([8, { before: -1 }])],
    ["what is trained", /has no derivative: call it/, () => call([0, torch.ones([3, 8]).setRequiresGrad(true)])],
  ])("%s", (_, message, make) => {
    torch.scope(() => expect(make()).toThrow(message));
  });

  test("rows that do not fit the cache", () => {
    torch.scope(() => {
      const [cache, rows] = [torch.zeros([4, 2]), torch.ones([2, 2])];
      const write = (of: torch.Tensor, starts: number[]) => () =>
        torch.writeRows_(cache, of, longs([0, 2]), longs(starts));
      expect(write(rows, [3])).toThrow(/within the 4 slots of the cache, got 2 slots from 3 for sequence 0/);
      expect(write(torch.ones([2, 3]), [0])).toThrow(/rows of a cache \[slots, width\]/);
      expect(write(torch.ones([2, 2], { dtype: "bfloat16" }), [0])).toThrow(/in its dtype/);
      expect(() => torch.writeRows_(torch.t(cache), torch.ones([1, 4]), longs([0, 1]), longs([0]))).toThrow(
        /contiguous/,
      );
    });
  });
});
