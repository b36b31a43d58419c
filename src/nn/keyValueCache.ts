// The key-value cache of decoders.
// Shapes: N new tokens of all sequences, P rows of the cache, B sequences, W width of keys or values.

import { type CachedRows, type CachedSpans, writeRows } from "../operators/attentionCached.js";
import type { RowLayout } from "../operators/rows.js";
import * as torch from "../torch/index.js";

type Layer = Pick<CachedRows, "keys" | "values">;

/** The cache rows of each sequence's tokens in this pass, and the rows for the new tokens. */
interface Spans extends CachedSpans {
  readonly next: Pick<CachedSpans, "starts" | "startsTensor">;
}

/** The default initial capacity of each sequence in tokens. */
const FEW_TOKENS = 256;

/**
 * The keys and values of all layers for the tokens so far. Each sequence has a slot with spare capacity, so that adding a token copies
 * nothing; when a slot is full, the capacity of all slots doubles.
 */
export class KeyValueCache {
  readonly #layers = new Map<number, Layer>();
  #lengths: readonly number[];
  /** The slot of each sequence. */
  #slots: readonly number[];
  #slotCount: number;
  /** The capacity of a slot in tokens. */
  #capacity: number;
  #spans: Spans | undefined;

  /**
   * @param sequences the number of sequences
   * @param tokens the expected number of tokens per sequence; more are possible
   */
  constructor(sequences: number, tokens = FEW_TOKENS) {
    this.#lengths = new Array<number>(sequences).fill(0);
    this.#slots = [...this.#lengths.keys()];
    this.#slotCount = sequences;
    this.#capacity = tokens;
  }

  /** The number of tokens of each sequence so far. */
  get lengths(): readonly number[] {
    return this.#lengths;
  }

  /**
   * Adds a layer's keys and values for new tokens.
   * @param keys [N, W]
   * @param layout of the new tokens
   * @returns the keys and values of all tokens, owned by the cache
   */
  extend(layer: number, keys: torch.Tensor, values: torch.Tensor, layout: RowLayout): CachedRows {
    const { next, ...spans } = this.#spansOf(layout);
    const own = this.#layers.get(layer) ?? this.#add(layer, keys, values);
    writeRows(own.keys, keys, layout, next);
    writeRows(own.values, values, layout, next);
    return { ...own, ...spans };
  }

  /** Must be called after every layer has added the new tokens. */
  advance({ lengths }: RowLayout): void {
    this.#lengths = this.#lengths.map((length, i) => length + (lengths[i] as number));
    this.#forgetSpans();
  }

  /** Removes all tokens of a sequence. */
  restart(sequence: number): void {
    this.#lengths = this.#lengths.with(sequence, 0);
    this.#forgetSpans();
  }

  /**
   * Selects and reorders sequences. A sequence may be dropped or duplicated; only duplicates are copied.
   * @param sequences the indices of the sequences, in the new order
   */
  select(sequences: readonly number[]): void {
    const lengths = sequences.map((sequence) => this.#lengths[sequence] as number);
    const from = sequences.map((sequence) => this.#slots[sequence] as number);
    const free = Array.from({ length: this.#slotCount }, (_, slot) => slot).filter((slot) => !from.includes(slot));
    const to = from.map((slot, i) => (from.indexOf(slot) === i ? slot : (free.shift() ?? this.#slotCount++)));
    if (this.#slotCount > this.#allocatedSlots()) this.#reallocate(this.#capacity);
    for (const layer of this.#layers.values())
      for (const [i, slot] of to.entries())
        if (slot !== from[i]) this.#copy(layer, layer, from[i] as number, slot, lengths[i] as number, this.#capacity);
    [this.#lengths, this.#slots] = [lengths, to];
    this.#forgetSpans();
  }

  /** Releases everything. */
  dispose(): void {
    for (const layer of this.#layers.values()) dispose(layer);
    this.#layers.clear();
    this.#forgetSpans();
  }

  #spansOf({ lengths, first: { device } }: RowLayout): Spans {
    if (this.#spans) return this.#spans;
    const all = this.#lengths.map((length, i) => length + (lengths[i] as number));
    const most = Math.max(...all);
    if (most > this.#capacity) this.#reallocate(Math.max(most, 2 * this.#capacity));
    const starts = this.#slots.map((slot) => slot * this.#capacity);
    const next = starts.map((start, i) => start + (this.#lengths[i] as number));
    const tensor = (numbers: readonly number[]) => torch.keep(torch.tensor(numbers, [numbers.length], "int64", device));
    this.#spans = {
      starts,
      lengths: all,
      startsTensor: tensor(starts),
      lengthsTensor: tensor(all),
      next: { starts: next, startsTensor: tensor(next) },
    };
    return this.#spans;
  }

  #forgetSpans(): void {
    const { startsTensor, lengthsTensor, next } = this.#spans ?? {};
    for (const tensor of [startsTensor, lengthsTensor, next?.startsTensor]) tensor?.dispose();
    this.#spans = undefined;
  }

  #add(layer: number, keys: torch.Tensor, values: torch.Tensor): Layer {
    const made = { keys: this.#empty(keys), values: this.#empty(values) };
    this.#layers.set(layer, made);
    return made;
  }

  /** The number of slots that memory is allocated for. */
  #allocatedSlots(): number {
    const [layer] = this.#layers.values();
    return layer ? (layer.keys.shape[0] as number) / this.#capacity : this.#slotCount;
  }

  /** Reallocates every layer's memory for the current number of slots with this capacity. */
  #reallocate(capacity: number): void {
    const before = this.#capacity;
    this.#capacity = capacity;
    for (const [number, layer] of this.#layers) {
      const made = this.#add(number, layer.keys, layer.values);
      for (const [i, slot] of this.#slots.entries())
        this.#copy(layer, made, slot, slot, this.#lengths[i] as number, before);
      dispose(layer);
    }
  }

  /** @param capacity of the slots in `from` */
  #copy(from: Layer, to: Layer, slot: number, toSlot: number, length: number, capacity: number): void {
    if (length === 0) return;
    torch.scope(() => {
      for (const part of ["keys", "values"] as const)
        torch.copy_(
          torch.narrow(to[part], 0, toSlot * this.#capacity, length),
          torch.narrow(from[part], 0, slot * capacity, length),
        );
    });
  }

  /** Allocates memory for a layer's keys or values. */
  #empty(like: torch.Tensor): torch.Tensor {
    const [, width] = like.shape as [number, number];
    return torch.keep(
      torch.empty([this.#slotCount * this.#capacity, width], { dtype: like.dtype, device: like.device }),
    );
  }
}

function dispose({ keys, values }: Layer): void {
  keys.dispose();
  values.dispose();
}
