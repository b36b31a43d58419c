// The key-value cache of decoders.
// Shapes: N new tokens of all sequences, P rows of the cache, B sequences, W width of keys or values.

import * as torch from "../../torch/index.js";
import {
  type CachedPart,
  type CachedRows,
  type CachedSpans,
  type RowLayout,
  writeRows,
} from "../../torch/operators/index.js";
import { emptySlot, enlarged, type Slot, slotsInOrder, slotsWithin, type Wanted } from "./cacheSlots.js";
import { RepeatedPasses } from "./repeatedPasses.js";

type Layer = Pick<CachedRows, "keys" | "values">;

/** The cache rows of each sequence's tokens in this pass, and the rows for the new tokens. */
interface Spans extends CachedSpans {
  readonly next: Pick<CachedSpans, "starts" | "startsTensor">;
}

/** The default initial capacity of each sequence in tokens. */
const FEW_TOKENS = 256;

/** How keys and values are kept: in the model's dtype, or rounded to int8 with a scale for each token and head. */
export const CACHE_DTYPES = ["auto", "int8"] as const;
/** One of these. */
export type CacheDtype = (typeof CACHE_DTYPES)[number];

/** The most tokens of a pass that is repeated: in longer ones, products take far longer than the calls. */
const MOST_REPEATED = 32;

/** Memory to spare for further sequences, as a share of what is needed. */
const SPARE = 0.25;

/**
 * The keys and values of all layers for the tokens so far. Each sequence has a slot with spare capacity, so that adding a token copies
 * nothing; a slot that is full moves to one of twice the capacity.
 */
export class KeyValueCache {
  readonly #layers = new Map<number, Layer>();
  #lengths: readonly number[] = [];
  /** The sequences of the next passes; undefined for all. */
  #chosen: readonly number[] | undefined;
  /** The slot of each sequence. */
  #slots: readonly Slot[] = [];
  /** The number of rows of each layer's memory. */
  #rows = 0;
  #spans: Spans | undefined;
  readonly #passes = new RepeatedPasses();
  /** What the model computes with in the next passes; undefined if they are not repeated. */
  #variant: string | undefined;

  /**
   * @param sequences the number of sequences
   * @param dtype how keys and values are kept
   * @param tokens the expected number of tokens per sequence; more are possible
   */
  constructor(
    sequences: number,
    private readonly dtype: CacheDtype = "auto",
    tokens = FEW_TOKENS,
  ) {
    this.#arrange(Array.from({ length: sequences }, () => emptySlot(tokens)));
  }

  /** The number of tokens so far of each sequence of a pass. */
  get lengths(): readonly number[] {
    return this.#chosen?.map((sequence) => this.#lengths[sequence]!) ?? this.#lengths;
  }

  /**
   * Runs `body`, whose passes have new tokens only for some sequences.
   * @param sequences in any order
   * @param variant a name for what the model computes with, such as the adapters of its rows. Passes of a few tokens with the same variant
   *   are then recorded, and repeated until the model changes.
   */
  among<T>(sequences: readonly number[], body: () => T, variant?: string): T {
    this.#choose(sequences, variant);
    try {
      return body();
    } finally {
      this.#choose(undefined, undefined);
    }
  }

  #choose(sequences: readonly number[] | undefined, variant: string | undefined): void {
    this.#chosen = sequences;
    this.#variant = variant;
    this.#forgetSpans();
  }

  /**
   * Computes a pass through a model's layers, which add the new tokens, or repeats an earlier one.
   * @param layout of the new tokens
   * @param inputs all tensors that `body` uses and other passes don't, except those of the cache
   */
  pass(layout: RowLayout, inputs: readonly torch.Tensor[], body: () => torch.Tensor): torch.Tensor {
    const output = this.#isRepeated(layout) ? this.#repeat(layout, inputs, body) : body();
    this.#advance(layout);
    return output;
  }

  #isRepeated({ lengths }: RowLayout): boolean {
    return this.#variant !== undefined && lengths.reduce((sum, length) => sum + length, 0) <= MOST_REPEATED;
  }

  #repeat(layout: RowLayout, inputs: readonly torch.Tensor[], body: () => torch.Tensor): torch.Tensor {
    const { startsTensor, lengthsTensor, next } = this.#spansOf(layout);
    const spans = [startsTensor, lengthsTensor, next.startsTensor];
    return this.#passes.run(`${this.#variant}:${layout.lengths}`, [...inputs, ...spans], body);
  }

  /** The bytes of a token's keys and values in all layers; 0 before the first pass. */
  get bytesPerToken(): number {
    const tensors = [...this.#layers.values()].flatMap(tensorsOf);
    return tensors.reduce((sum, { shape, dtype }) => sum + shape[1]! * torch.DTYPE_BYTES[dtype], 0);
  }

  /**
   * Adds a layer's keys and values for new tokens.
   * @param keys [N, W]
   * @param layout of the new tokens
   * @param heads the number of key heads
   * @returns the keys and values of all tokens, owned by the cache
   */
  extend(layer: number, keys: torch.Tensor, values: torch.Tensor, layout: RowLayout, heads: number): CachedRows {
    const { next, ...spans } = this.#spansOf(layout);
    const own = this.#layers.get(layer) ?? this.#add(layer, this.#empty(keys, heads), this.#empty(values, heads));
    writeRows(own.keys, keys, layout, next);
    writeRows(own.values, values, layout, next);
    return { ...own, ...spans };
  }

  /** Counts the new tokens, which every layer has added. */
  #advance({ lengths }: RowLayout): void {
    this.#lengths = this.#after(lengths);
    this.#forgetSpans();
  }

  /** Removes the tokens of a sequence after the first `length`. */
  cut(sequence: number, length: number): void {
    this.#lengths = this.#lengths.with(sequence, length);
    this.#forgetSpans();
  }

  /** Adds empty sequences after the others. @param tokens the expected number of tokens of each; more are possible */
  add(tokens: readonly number[]): void {
    this.#arrange([...this.#held, ...tokens.map(emptySlot)], SPARE);
  }

  /**
   * Selects and reorders sequences. A sequence may be dropped or duplicated; only duplicates are copied.
   * @param sequences the indices of the sequences, in the new order
   */
  select(sequences: readonly number[]): void {
    const held = this.#held;
    this.#arrange(sequences.map((sequence) => held[sequence]!));
  }

  /** Releases everything. */
  dispose(): void {
    for (const layer of this.#layers.values()) dispose(layer);
    this.#layers.clear();
    this.#passes.dispose();
    this.#forgetSpans();
  }

  #spansOf({ lengths, first: { device } }: RowLayout): Spans {
    if (this.#spans) return this.#spans;
    const all = this.#after(lengths);
    if (all.some((length, i) => length > this.#slots[i]!.capacity)) this.#arrange(enlarged(this.#held, all));
    const [sequences, before] = [this.#chosen ?? [...all.keys()], this.lengths];
    const starts = sequences.map((sequence) => this.#slots[sequence]!.start);
    const next = starts.map((start, i) => start + before[i]!);
    const ends = sequences.map((sequence) => all[sequence]!);
    const tensor = (numbers: readonly number[]) => torch.keep(torch.tensor(numbers, [numbers.length], "int64", device));
    this.#spans = {
      starts,
      lengths: ends,
      startsTensor: tensor(starts),
      lengthsTensor: tensor(ends),
      next: { starts: next, startsTensor: tensor(next) },
    };
    return this.#spans;
  }

  /** The number of tokens of each sequence after a pass. @param added to each sequence of the pass */
  #after(added: readonly number[]): readonly number[] {
    const lengths = [...this.#lengths];
    for (const [i, count] of added.entries()) (lengths[this.#chosen?.[i] ?? i] as number) += count;
    return lengths;
  }

  #forgetSpans(): void {
    const { startsTensor, lengthsTensor, next } = this.#spans ?? {};
    for (const tensor of [startsTensor, lengthsTensor, next?.startsTensor]) tensor?.dispose();
    this.#spans = undefined;
  }

  #add(layer: number, keys: CachedPart, values: CachedPart): Layer {
    const made = { keys, values };
    this.#layers.set(layer, made);
    return made;
  }

  get #held(): readonly Wanted[] {
    return this.#slots.map((from, i) => ({ from, capacity: from.capacity, length: this.#lengths[i]! }));
  }

  /** Gives each sequence its slot: in the present memory, or all in new memory. @param spare the share of rows to add in new memory */
  #arrange(wanted: readonly Wanted[], spare = 0): void {
    const slots = slotsWithin(wanted, this.#rows);
    if (slots) for (const layer of this.#layers.values()) copyAll(layer, layer, wanted, slots);
    this.#slots = slots ?? this.#relocate(wanted, spare);
    this.#lengths = wanted.map(({ length }) => length);
    this.#forgetSpans();
  }

  /** Moves all sequences to new memory. */
  #relocate(wanted: readonly Wanted[], spare: number): readonly Slot[] {
    const { slots, rows } = slotsInOrder(wanted);
    this.#rows = Math.ceil(rows * (1 + spare));
    for (const [number, layer] of this.#layers) {
      copyAll(layer, this.#add(number, this.#emptyLike(layer.keys), this.#emptyLike(layer.values)), wanted, slots);
      dispose(layer);
    }
    return slots;
  }

  /** Allocates memory for a layer's keys or values. @param like [N, W] some of them */
  #empty(like: torch.Tensor, heads: number): CachedPart {
    if (this.dtype === "auto") return { rows: this.#rowsLike(like) };
    return {
      rows: this.#rowsLike({ shape: like.shape, device: like.device, dtype: "int8" }),
      scales: this.#rowsLike({ shape: [0, heads], dtype: "float32", device: like.device }),
    };
  }

  #emptyLike({ rows, scales }: CachedPart): CachedPart {
    return { rows: this.#rowsLike(rows), scales: scales && this.#rowsLike(scales) };
  }

  #rowsLike({ shape: [, width], dtype, device }: Pick<torch.Tensor, "shape" | "dtype" | "device">): torch.Tensor {
    return torch.keep(torch.empty([this.#rows, width as number], { dtype, device }));
  }
}

/** Copies sequences to their new slots. */
function copyAll(from: Layer, to: Layer, sequences: readonly Wanted[], slots: readonly Slot[]): void {
  for (const [i, { from: slot, length }] of sequences.entries())
    if (slot && length > 0 && (from !== to || slot !== slots[i]))
      copyRows(from, to, [slot.start, slots[i]!.start, length]);
}

function copyRows(from: Layer, to: Layer, [at, toAt, length]: readonly [number, number, number]): void {
  const [source, target] = [tensorsOf(from), tensorsOf(to)];
  torch.scope(() => {
    for (const [i, rows] of source.entries())
      torch.copy_(torch.narrow(target[i]!, 0, toAt, length), torch.narrow(rows, 0, at, length));
  });
}

function dispose(layer: Layer): void {
  for (const tensor of tensorsOf(layer)) tensor.dispose();
}

const tensorsOf = ({ keys, values }: Layer): torch.Tensor[] =>
  [keys.rows, keys.scales, values.rows, values.scales].filter((tensor) => tensor !== undefined);
