/** Rows with equal texts, or of which one's text stands in the other's: a model that was trained on one has seen the other. */
import { isObject } from "../../base/index.js";
import type { Example } from "./example.js";
import { readByModel } from "./exampleKeys.js";
import { NumberedTexts, PhraseIndex } from "./phraseIndex.js";

type Read = Pick<Example, "input">;

/** How the texts of rows are read and compared. */
export interface TextOptions {
  /** An input is a list of words, not of one or two texts. */
  readonly isOfWords: boolean;
}

export interface GroupOptions extends TextOptions {
  /** A text of fewer words joins only equal rows: a word or two stand in so many texts that nearly all rows would be one group. */
  readonly shortest: number;
}

/** The texts of a row: one or two texts, all of a prompt, a conversation or a list of words as one, or each text of an object. */
function textsOf({ input }: Read, { isOfWords }: TextOptions): readonly string[] {
  if (isOfWords) return [stringsIn(input).join(" ")];
  const read = readByModel(input);
  const isConversation = isObject(input) && Array.isArray(input.messages);
  return isConversation ? [stringsIn(contentsIn(read)).join("\n")] : stringsIn(read);
}

/** The texts of messages, without their roles. */
const contentsIn = (messages: unknown): unknown =>
  Array.isArray(messages) ? messages.map((message) => (isObject(message) ? message.content : message)) : messages;

function stringsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(stringsIn);
  return isObject(value) ? Object.values(value).flatMap(stringsIn) : [];
}

/**
 * The group of each row, as the number of its first row: rows are in one group if all their texts are equal, or if a text of one, of at least
 * `shortest` words, is equal to or stands in a text of the other, and so on from row to row. Case and white space do not count.
 */
export function groupsOfRows(rows: readonly Read[], options: GroupOptions): Int32Array {
  const texts = new NumberedTexts();
  const ofRows = rows.map((row) => textsOf(row, options).map((text) => texts.add(text)));
  const groups = new DisjointSets(rows.length);
  const firstRow = new Map<number, number>();
  const firstLike = new Map<string, number>();
  for (const [row, numbers] of ofRows.entries()) {
    const like = numbers.join(" ");
    groups.join(row, firstLike.get(like) ?? row);
    if (!firstLike.has(like)) firstLike.set(like, row);
    for (const number of numbers) {
      if (texts.sequences[number]!.length < options.shortest) continue;
      groups.join(row, firstRow.get(number) ?? row);
      if (!firstRow.has(number)) firstRow.set(number, row);
    }
  }
  const index = new PhraseIndex(texts.sequences, firstRow.keys(), options.shortest);
  // Of the texts that begin at one place the shorter stand in the longer ones, which joins them.
  for (const [number, row] of firstRow)
    index.eachWithin(texts.sequences[number]!, (part) => groups.join(row, firstRow.get(part)!), { self: number });
  return Int32Array.from(rows, (_, row) => groups.of(row));
}

/** How many of the rows have only texts that are equal to texts of the others or stand in them, however short. */
export function countNested(rows: readonly Read[], others: readonly Read[], options: TextOptions): number {
  const texts = new NumberedTexts();
  const ofRows = rows.map((row) => textsOf(row, options).map((text) => texts.add(text)));
  const index = new PhraseIndex(texts.sequences, new Set(ofRows.flat()), 1);
  const among = new Set(others.flatMap((row) => textsOf(row, options)).map((text) => texts.add(text)));
  const found = new Set(among);
  for (const number of among) index.eachWithin(texts.sequences[number]!, (part) => found.add(part), "all");
  return ofRows.filter((numbers) => numbers.length > 0 && numbers.every((number) => found.has(number))).length;
}

/** Sets of numbers that are joined, each named by its smallest (Tarjan 1975, Efficiency of a good but not linear set union algorithm). */
class DisjointSets {
  readonly #above: Int32Array;

  constructor(count: number) {
    this.#above = Int32Array.from({ length: count }, (_, one) => one);
  }

  of(one: number): number {
    let top = one;
    while (this.#above[top] !== top) {
      this.#above[top] = this.#above[this.#above[top]!]!;
      top = this.#above[top]!;
    }
    return top;
  }

  join(a: number, b: number): void {
    const [x, y] = [this.of(a), this.of(b)];
    this.#above[Math.max(x, y)] = Math.min(x, y);
  }
}
