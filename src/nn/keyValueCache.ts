// The keys and values that decoders keep from token to token.
// Shapes: N new tokens of all sequences, P rows of the cache, B sequences, W the width of keys or values.

import { type CachedRows, type CachedSpans, writeRows } from "../operators/attentionCached.js";
import type { RowLayout } from "../operators/rows.js";
import * as torch from "../torch/index.js";

type Layer = Pick<CachedRows, "keys" | "values">;

/** Where all tokens of each sequence lie in this pass, and where the new ones go. */
interface Spans extends CachedSpans {
  readonly next: Pick<CachedSpans, "starts" | "startsTensor">;
}

/** Tokens that each sequence has room for at first, unless the caller says how many will come. */
const FEW_TOKENS = 256;

/**
 * Each layer's keys and values of the tokens that sequences have had. A sequence has a slot with room for further tokens, so that
 * adding one copies none; when a slot is full, all slots become twice as large.
 */
export class KeyValueCache {
  readonly #layers = new Map<number, Layer>();
  #lengths: readonly number[];
  /** Of each sequence. */
  #slots: readonly number[];
  #slotCount: number;
  /** Of a slot. */
  #room: number;
  #spans: Spans | undefined;

  /**
   * @param sequences how many there are
   * @param tokens expected in each sequence; more are possible
   */
  constructor(sequences: number, tokens = FEW_TOKENS) {
    this.#lengths = new Array<number>(sequences).fill(0);
    this.#slots = [...this.#lengths.keys()];
    this.#slotCount = sequences;
    this.#room = tokens;
  }

  /** Tokens of each sequence so far. */
  get lengths(): readonly number[] {
    return this.#lengths;
  }

  /**
   * Adds a layer's keys and values of new tokens.
   * @param keys [N, W]
   * @param layout of the new tokens
   * @returns the keys and values of all tokens, which belong to the cache
   */
  extend(layer: number, keys: torch.Tensor, values: torch.Tensor, layout: RowLayout): CachedRows {
    const { next, ...spans } = this.#spansOf(layout);
    const own = this.#layers.get(layer) ?? this.#add(layer, keys, values);
    writeRows(own.keys, keys, layout, next);
    writeRows(own.values, values, layout, next);
    return { ...own, ...spans };
  }

  /** To be called when every layer has got the new tokens. */
  advance({ lengths }: RowLayout): void {
    this.#lengths = this.#lengths.map((length, i) => length + (lengths[i] as number));
    this.#forgetSpans();
  }

  /** Forgets the tokens of one sequence, which restarts. */
  restart(sequence: number): void {
    this.#lengths = this.#lengths.with(sequence, 0);
    this.#forgetSpans();
  }

  /**
   * Continues with some of the sequences, in a new order. A sequence may be dropped or duplicated; only duplicates are copied.
   * @param sequences their numbers, in their new order
   */
  select(sequences: readonly number[]): void {
    const lengths = sequences.map((sequence) => this.#lengths[sequence] as number);
    const from = sequences.map((sequence) => this.#slots[sequence] as number);
    const free = Array.from({ length: this.#slotCount }, (_, slot) => slot).filter((slot) => !from.includes(slot));
    const to = from.map((slot, i) => (from.indexOf(slot) === i ? slot : (free.shift() ?? this.#slotCount++)));
    if (this.#slotCount > this.#held()) this.#make(this.#room);
    for (const layer of this.#layers.values())
      for (const [i, slot] of to.entries())
        if (slot !== from[i]) this.#copy(layer, layer, from[i] as number, slot, lengths[i] as number, this.#room);
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
    if (most > this.#room) this.#make(Math.max(most, 2 * this.#room));
    const starts = this.#slots.map((slot) => slot * this.#room);
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

  /** Slots that layers have memory for. */
  #held(): number {
    const [layer] = this.#layers.values();
    return layer ? (layer.keys.shape[0] as number) / this.#room : this.#slotCount;
  }

  /** Reallocates every layer's memory: for the present number of slots, each with this much room. */
  #make(room: number): void {
    const before = this.#room;
    this.#room = room;
    for (const [number, layer] of this.#layers) {
      const made = this.#add(number, layer.keys, layer.values);
      for (const [i, slot] of this.#slots.entries())
        this.#copy(layer, made, slot, slot, this.#lengths[i] as number, before);
      dispose(layer);
    }
  }

  /** @param room that slots have in `from` */
  #copy(from: Layer, to: Layer, slot: number, toSlot: number, length: number, room: number): void {
    if (length === 0) return;
    torch.scope(() => {
      for (const part of ["keys", "values"] as const)
        torch.copy_(
          torch.narrow(to[part], 0, toSlot * this.#room, length),
          torch.narrow(from[part], 0, slot * room, length),
        );
    });
  }

  /** Memory for a layer's keys or values. */
  #empty(like: torch.Tensor): torch.Tensor {
    const [, width] = like.shape as [number, number];
    return torch.keep(torch.empty([this.#slotCount * this.#room, width], { dtype: like.dtype, device: like.device }));
  }
}

function dispose({ keys, values }: Layer): void {
  keys.dispose();
  values.dispose();
}
