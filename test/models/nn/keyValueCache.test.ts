// However slots grow, move and are copied, what a cache gives is each sequence's own tokens in their order.
import { expect, test } from "vitest";
import {
  CACHE_DTYPES,
  type CacheDtype,
  KeyValueCache,
  type RowLayout,
  rowLayout,
} from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import type { CachedPart } from "../../../src/torch/operators/attention/attentionCached.js";

const WIDTH = 3;
let drawn = 0;

/** Rows that no other token has. */
const fresh = (tokens: number): number[][] =>
  Array.from({ length: tokens }, () => Array.from({ length: WIDTH }, () => ++drawn));

/** A cache beside plain lists of what it should hold, for two layers. */
class Checked {
  readonly cache: KeyValueCache;
  #held: number[][][];

  constructor(
    sequences: number,
    room: number,
    private readonly dtype: CacheDtype,
  ) {
    this.cache = new KeyValueCache(sequences, dtype, room);
    this.#held = Array.from({ length: sequences }, () => []);
  }

  extend(...counts: readonly number[]): void {
    this.#extend(
      counts.map((_, i) => i),
      counts,
    );
  }

  /** Only these sequences get tokens. */
  extendAmong(sequences: readonly number[], ...counts: readonly number[]): void {
    this.cache.among(sequences, () => this.#extend(sequences, counts));
    expect(this.cache.lengths).toEqual(this.#held.map(({ length }) => length));
  }

  #extend(sequences: readonly number[], counts: readonly number[]): void {
    const added = counts.map(fresh);
    for (const [i, sequence] of sequences.entries())
      this.#held[sequence] = [...(this.#held[sequence] as number[][]), ...(added[i] as number[][])];
    const held = sequences.map((sequence) => this.#held[sequence] as number[][]);
    const layout = rowLayout(counts);
    const keys = torch.tensor(added.flat(2), [added.flat().length, WIDTH]);
    this.cache.pass(layout, [keys], () => this.#check(keys, layout, held));
    expect(this.cache.lengths).toEqual(held.map(({ length }) => length));
  }

  /** Extends both layers. @param held by each sequence */
  #check(keys: torch.Tensor, layout: RowLayout, held: readonly (readonly number[][])[]): torch.Tensor {
    for (const [layer, sign] of [1, -1].entries()) {
      const given = this.cache.extend(layer, torch.mulScalar(keys, sign), torch.addScalar(keys, sign), layout, 1);
      const { starts, lengths } = given;
      expect(given.startsTensor.toArray()).toEqual(starts);
      expect(given.lengthsTensor.toArray()).toEqual(lengths);
      for (const [i, rows] of held.entries()) {
        const span = [starts[i] as number, lengths[i] as number] as const;
        expect(this.#read(given.keys, span)).toEqual(rows.flat().map((x) => x * sign));
        expect(this.#read(given.values, span)).toEqual(rows.flat().map((x) => x + sign));
      }
    }
    return keys;
  }

  /** The numbers of a sequence. Those of int8 are whole, and rounded by less than a half. */
  #read({ rows, scales }: CachedPart, [start, length]: readonly [number, number]): number[] {
    const [codes, factors] = [rows, scales].map((from) => from && [...torch.narrow(from, 0, start, length).toArray()]);
    expect(factors !== undefined).toBe(this.dtype === "int8");
    return (codes as number[]).map((code, i) => Math.round(code * (factors?.[Math.floor(i / WIDTH)] ?? 1)));
  }

  select(...sequences: readonly number[]): void {
    this.cache.select(sequences);
    this.#held = sequences.map((sequence) => this.#held[sequence] as number[][]);
  }

  add(...tokens: readonly number[]): void {
    this.cache.add(tokens);
    this.#held.push(...tokens.map(() => []));
  }

  cut(sequence: number, length: number): void {
    this.cache.cut(sequence, length);
    this.#held[sequence] = this.#held[sequence]!.slice(0, length);
  }
}

const checked = (sequences: number, room: number, steps: (cache: Checked) => void): void =>
  torch.noGrad(() =>
    torch.scope(() => {
      for (const dtype of CACHE_DTYPES) {
        drawn = 0;
        steps(new Checked(sequences, room, dtype));
      }
    }),
  );

test("tokens beyond the slots' size move to larger slots", () => {
  checked(3, 2, (cache) => {
    cache.extend(2, 1, 2);
    cache.extend(1, 1, 1);
    cache.extend(7, 1, 3);
    cache.extend(1, 1, 1);
  });
});

test("sequences can be dropped, reordered and duplicated", () => {
  checked(3, 4, (cache) => {
    cache.extend(3, 1, 2);
    cache.select(2, 0);
    cache.extend(1, 1);
    cache.select(1, 1, 0, 1);
    cache.extend(1, 1, 1, 1);
    cache.select(3, 2, 3, 0, 0, 3);
    cache.extend(1, 2, 1, 1, 3, 1);
    cache.select();
    expect(cache.cache.lengths).toEqual([]);
  });
});

test("a sequence is cut back, and goes on with other tokens", () => {
  checked(2, 4, (cache) => {
    cache.extend(3, 2);
    cache.cut(0, 2);
    cache.extend(1, 1);
    cache.extend(9, 1);
    cache.cut(0, 5);
    cache.cut(1, 1);
    cache.extend(2, 3);
  });
});

test("passes may be of some sequences, in any order, and enlarge the slots of these", () => {
  checked(3, 4, (cache) => {
    cache.extendAmong([1], 3);
    cache.extendAmong([2, 0], 2, 1);
    cache.extend(1, 1, 1);
    cache.extendAmong([1, 2], 9, 1);
    cache.extendAmong([0], 7);
    cache.select(2, 2, 0);
    cache.extendAmong([1, 2], 1, 2);
    cache.extend(1, 4, 1);
  });
});

test("int8 takes a byte for each number, and four for each head", () => {
  torch.noGrad(() =>
    torch.scope(() => {
      for (const dtype of ["float32", "bfloat16"] as const) {
        const cache = new KeyValueCache(1, "int8");
        const rows = torch.zeros([2, 12], { dtype });
        for (const layer of [0, 1, 2]) cache.extend(layer, rows, rows, rowLayout([2]), 3);
        expect(cache.bytesPerToken).toBe(3 * 2 * (12 + 3 * 4));
        cache.dispose();
      }
    }),
  );
});

test("one sequence restarts while another continues", () => {
  checked(2, 4, (cache) => {
    cache.extend(3, 2);
    cache.cut(0, 0);
    cache.extend(5, 1);
    cache.extend(1, 1);
  });
});

test("sequences join, outgrow their slots and leave in any order", () => {
  checked(0, 4, (cache) => {
    cache.add(4);
    cache.extend(3);
    cache.add(9, 2);
    cache.extend(1, 9, 2);
    cache.extend(1, 1, 1);
    cache.select(2, 0);
    cache.add(3);
    cache.extend(1, 1, 3);
    cache.select(2, 1);
    cache.add(2, 30, 1);
    cache.extend(4, 1, 2, 5, 1);
    cache.select(4, 4, 0);
    cache.extend(6, 1, 1);
  });
});

test("a long sequence does not enlarge the slots of others", () => {
  torch.noGrad(() =>
    torch.scope(() => {
      const cache = new KeyValueCache(0);
      cache.add([8, 1000, 8, 8]);
      const lengths = [1, 1000, 1, 1];
      const rows = torch.zeros([1003, WIDTH]);
      const { keys } = cache.extend(0, rows, rows, rowLayout(lengths), 1);
      expect(keys.rows.shape[0]).toBeLessThan(1400);
    }),
  );
});
