// Sequences that begin with the same tokens, such as the answers to one prompt: these tokens are computed once.
import { sum } from "d3-array";
import * as torch from "../torch/index.js";
import type { Backbone, ModelInput } from "./backbone.js";
import { rowLayout } from "./nn/index.js";

/** Sequences that are one text up to their ends. */
export interface Branches {
  /** The number of tokens that they begin with in common. */
  readonly prefix: number;
  /** The number of tokens of each end, at least 1. */
  readonly lengths: readonly number[];
  /** The common tokens, then those of each end. */
  readonly inputIds: readonly number[];
}

/** Consecutive tokens of a model's input. */
export interface TokenSpan {
  readonly ids: readonly number[];
  /** The flat index of the first. */
  readonly first: number;
  /** The flat index of the token before the first in its sequence; undefined at the start of one. */
  readonly before: number | undefined;
}

/** The input of a causal model, and where its tokens are. */
export interface BranchedInput extends ModelInput {
  readonly spans: readonly BranchSpans[];
}

/** Where the tokens of branches are. */
interface BranchSpans {
  readonly prefix: TokenSpan;
  readonly ends: readonly TokenSpan[];
}

/**
 * The input for branches, in which their common tokens stand once: the ends after the first attend to them there. Where a model's keys
 * depend on the whole sequence's length, and lengths differ in that, the common tokens are repeated.
 */
export function branchedInput(
  texts: readonly Branches[],
  backbone: Pick<Backbone, "cacheStaysValid">,
  device: string,
): BranchedInput {
  const isShared = texts.every(({ prefix, lengths: [first = 0, ...others] }) =>
    others.every((length) => backbone.cacheStaysValid(prefix + first, prefix + length)),
  );
  const layout = new BranchLayout(isShared);
  const spans = texts.map((text) => layout.add(text));
  return { ...layout.input(device), spans };
}

class BranchLayout {
  readonly #ids: number[] = [];
  readonly #positions: number[] = [];
  readonly #lengths: number[] = [];
  readonly #keyLengths: number[] = [];
  /** The token of each key. */
  readonly #keys: number[] = [];

  constructor(private readonly isShared: boolean) {}

  /** Lays a text's sequences end to end. */
  add({ prefix, lengths, inputIds }: Branches): BranchSpans {
    const common = inputIds.slice(0, prefix);
    const start = this.#ids.length;
    let end = prefix;
    const ends = lengths.map((length, branch): TokenSpan => {
      end += length;
      const ids = inputIds.slice(end - length, end);
      const [repeated, at] = branch === 0 || !this.isShared ? [common, this.#ids.length] : [[], start];
      this.#addRow(repeated, ids, { first: at, length: prefix });
      return { ids, first: this.#ids.length - length, before: prefix === 0 ? undefined : at + prefix - 1 };
    });
    return { prefix: { ids: common, first: start, before: undefined }, ends };
  }

  #addRow(repeated: readonly number[], ids: readonly number[], common: { first: number; length: number }): void {
    const end = this.#ids.length + repeated.length;
    for (let i = 0; i < common.length; i++) this.#keys.push(common.first + i);
    for (let i = 0; i < ids.length; i++) this.#keys.push(end + i);
    for (const [i, id] of [...repeated, ...ids].entries()) {
      this.#ids.push(id);
      this.#positions.push(common.length - repeated.length + i);
    }
    this.#lengths.push(repeated.length + ids.length);
    this.#keyLengths.push(common.length + ids.length);
  }

  input(device: string): ModelInput {
    const count = this.#ids.length;
    const numbers = (of: readonly number[]) => torch.tensor(of, [of.length], "int32", device);
    const isShared = sum(this.#keyLengths) > count;
    return {
      inputIds: numbers(this.#ids),
      ids: Int32Array.from(this.#ids),
      tokenTypeIds: torch.zeros([count], { dtype: "int32", device }),
      positionIds: numbers(this.#positions),
      layout: rowLayout(this.#lengths, device),
      shared: isShared
        ? {
            layout: rowLayout(this.#keyLengths, device),
            tokens: torch.tensor(this.#keys, [this.#keys.length], "int64", device),
          }
        : undefined,
    };
  }
}
