// Shapes: N new tokens of all sequences, P places of the cache, B sequences, W the width of keys or values.
import * as torch from "../torch/index.js";
import type { RowLayout } from "./rows.js";

/** A layer's keys and values of all tokens so far, and where they lie. */
export interface CachedRows {
  /** [P, W] */
  readonly keys: torch.Tensor;
  readonly values: torch.Tensor;
  /** [B] int64: the place of each sequence's first token; the others follow it. */
  readonly starts: torch.Tensor;
  /** [B] int64 */
  readonly lengths: torch.Tensor;
}

type Layer = Pick<CachedRows, "keys" | "values">;

/** Of the tokens under way: where all of a sequence lie, and where the new ones go. */
type Places = Pick<CachedRows, "starts" | "lengths"> & { readonly next: torch.Tensor };

/** Tokens that there is room for at first, where nobody says how many will come. */
const FEW_TOKENS = 256;

/**
 * What attention goes on from: each layer's keys and values of the tokens that sequences have had. A sequence has a slot with room
 * for tokens to come, so that none is copied when one is added; past its room all slots are made twice as large.
 */
export class KeyValueCache {
  readonly #layers = new Map<number, Layer>();
  #lengths: readonly number[];
  /** Of each sequence. */
  #slots: readonly number[];
  #slotCount: number;
  /** Of a slot. */
  #room: number;
  #places: Places | undefined;

  /**
   * @param sequences how many there are
   * @param tokens that each may come to have; more may come
   */
  constructor(sequences: number, tokens = FEW_TOKENS) {
    this.#lengths = new Array<number>(sequences).fill(0);
    this.#slots = [...this.#lengths.keys()];
    this.#slotCount = sequences;
    this.#room = tokens;
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
    const { next, ...places } = this.#placesOf(layout);
    const own = this.#layers.get(layer) ?? this.#add(layer, keys, values);
    torch.writeRows_(own.keys, keys, layout.cuSeqlens, next);
    torch.writeRows_(own.values, values, layout.cuSeqlens, next);
    return { ...own, ...places };
  }

  /** Every layer has been given new tokens. */
  advance({ lengths }: RowLayout): void {
    this.#lengths = this.#lengths.map((length, i) => length + (lengths[i] as number));
    this.#forgetPlaces();
  }

  /** Forgets the tokens of one sequence: it begins anew. */
  restart(sequence: number): void {
    this.#lengths = this.#lengths.with(sequence, 0);
    this.#forgetPlaces();
  }

  /**
   * Goes on with some of the sequences: one may leave, all may, or one be there several times. Only what is there again is copied.
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
    this.#forgetPlaces();
  }

  /** Lets go of everything. */
  dispose(): void {
    for (const layer of this.#layers.values()) dispose(layer);
    this.#layers.clear();
    this.#forgetPlaces();
  }

  #placesOf({ lengths }: RowLayout): Places {
    if (this.#places) return this.#places;
    const all = this.#lengths.map((length, i) => length + (lengths[i] as number));
    const most = Math.max(...all);
    if (most > this.#room) this.#make(Math.max(most, 2 * this.#room));
    const starts = this.#slots.map((slot) => slot * this.#room);
    this.#places = {
      starts: longs(starts),
      lengths: longs(all),
      next: longs(starts.map((start, i) => start + (this.#lengths[i] as number))),
    };
    return this.#places;
  }

  #forgetPlaces(): void {
    for (const tensor of Object.values(this.#places ?? {})) tensor.dispose();
    this.#places = undefined;
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

  /** Gives every layer memory anew: for as many slots as there are, each with so much room. */
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
      const [cuSeqlens, start] = [
        torch.tensor([0, length], [2], "int64"),
        torch.tensor([toSlot * this.#room], [1], "int64"),
      ];
      for (const part of ["keys", "values"] as const)
        torch.writeRows_(to[part], torch.narrow(from[part], 0, slot * room, length), cuSeqlens, start);
    });
  }

  /** Memory for a layer's keys or values. */
  #empty(like: torch.Tensor): torch.Tensor {
    const [, width] = like.shape as [number, number];
    return torch.keep(torch.empty([this.#slotCount * this.#room, width], { dtype: like.dtype }));
  }
}

const longs = (numbers: readonly number[]): torch.Tensor =>
  torch.keep(torch.tensor(numbers, [numbers.length], "int64"));

function dispose({ keys, values }: Layer): void {
  keys.dispose();
  values.dispose();
}
