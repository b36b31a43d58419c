// Shapes: N new tokens of all sequences, M all tokens of all sequences, W the width of keys or values.
import * as torch from "../torch/index.js";
import { type RowLayout, rowLayout } from "./rows.js";

/** Keys and values of all tokens so far. */
export interface CachedRows {
  /** [M, W] */
  readonly keys: torch.Tensor;
  readonly values: torch.Tensor;
  readonly layout: RowLayout;
}

/** What attention goes on from: each layer's keys and values of the tokens that sequences have had. */
export class KeyValueCache {
  readonly #layers = new Map<number, CachedRows>();
  #lengths: readonly number[];

  /** @param sequences how many there are */
  constructor(sequences: number) {
    this.#lengths = new Array<number>(sequences).fill(0);
  }

  /** Tokens that each sequence has had. */
  get lengths(): readonly number[] {
    return this.#lengths;
  }

  /**
   * Takes a layer's keys and values of new tokens.
   * @param keys [N, W]
   * @param layout of the new tokens
   * @returns those of all tokens, which belong to the cache
   */
  extend(layer: number, keys: torch.Tensor, values: torch.Tensor, layout: RowLayout): CachedRows {
    const before = this.#layers.get(layer);
    const all = before ? joined(before, { keys, values, layout }) : { keys, values, layout };
    torch.keep(all.keys);
    torch.keep(all.values);
    this.#layers.set(layer, all);
    if (before) dispose(before);
    return all;
  }

  /** Every layer has been given new tokens. */
  advance({ lengths }: RowLayout): void {
    this.#lengths = this.#lengths.map((length, i) => length + (lengths[i] as number));
  }

  /**
   * Goes on with some of the sequences: one may leave, all may, or one be there several times.
   * @param sequences their numbers, in their new order
   */
  select(sequences: readonly number[]): void {
    if (sequences.length === this.#lengths.length && sequences.every((sequence, i) => sequence === i)) return;
    this.#lengths = sequences.map((sequence) => this.#lengths[sequence] as number);
    if (sequences.length === 0) {
      this.dispose();
      return;
    }
    const layout = rowLayout(this.#lengths);
    for (const [number, layer] of this.#layers) {
      this.#layers.set(number, { ...picked(layer, sequences), layout });
      dispose(layer);
    }
  }

  /** Lets go of everything. */
  dispose(): void {
    for (const layer of this.#layers.values()) dispose(layer);
    this.#layers.clear();
  }
}

function joined(before: CachedRows, added: CachedRows): CachedRows {
  const lengths = before.layout.lengths.map((length, i) => length + (added.layout.lengths[i] as number));
  const join = (old: torch.Tensor, more: torch.Tensor) => {
    const [a, b] = [rowsOf(old, before.layout), rowsOf(more, added.layout)];
    return torch.cat(
      a.flatMap((rows, i) => [rows, b[i] as torch.Tensor]),
      0,
    );
  };
  return {
    keys: join(before.keys, added.keys),
    values: join(before.values, added.values),
    layout: rowLayout(lengths),
  };
}

function picked({ keys, values, layout }: CachedRows, sequences: readonly number[]): Omit<CachedRows, "layout"> {
  const pick = (flat: torch.Tensor) =>
    torch.scope(() => {
      const rows = rowsOf(flat, layout);
      return torch.cat(
        sequences.map((sequence) => rows[sequence] as torch.Tensor),
        0,
      );
    });
  return { keys: torch.keep(pick(keys)), values: torch.keep(pick(values)) };
}

function dispose({ keys, values }: CachedRows): void {
  keys.dispose();
  values.dispose();
}

function rowsOf(flat: torch.Tensor, { lengths }: RowLayout): torch.Tensor[] {
  let end = 0;
  return lengths.map((length) => {
    end += length;
    return torch.narrow(flat, 0, end - length, length);
  });
}
