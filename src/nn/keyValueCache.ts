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
