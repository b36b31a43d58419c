// Rows of tokens: special tokens around texts, truncation and windows.
import { BidoraError, UsageError } from "../base/index.js";
import type { NativeTokenizer } from "./native.js";
import { requireWellFormed } from "./surrogates.js";

/** The special tokens around one text or two: `[CLS] A [SEP] B [SEP]` has the pieces `[CLS]`, `[SEP]`, `[SEP]`. */
export interface Layout {
  /** Special tokens before the first text, between two texts, after the last: one more than there are texts. */
  readonly pieces: readonly Piece[];
  /** The type id of each text's tokens. */
  readonly textTypes: readonly number[];
  /** The number of special tokens. */
  readonly specials: number;
}

interface Piece {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
}

/** Finds the layout for one text or two by encoding a text and looking at the special tokens around it. */
export async function probeLayout(native: NativeTokenizer, texts: 1 | 2): Promise<Layout> {
  const probe = await textWithTokens(native);
  const encoding = await native.encode(probe, texts === 2 ? probe : null);
  const [ids, typeIds, sequences] = [encoding.getIds(), encoding.getTypeIds(), encoding.getSequenceIds()];
  const pieces = Array.from({ length: texts + 1 }, () => ({ ids: [] as number[], typeIds: [] as number[] }));
  const textTypes = new Array<number>(texts).fill(0);
  let piece = 0;
  for (const [i, id] of ids.entries()) {
    const sequence = sequences[i];
    if (typeof sequence === "number") {
      piece = sequence + 1;
      textTypes[sequence] = typeIds[i]!;
    } else {
      pieces[piece]!.ids.push(id);
      pieces[piece]!.typeIds.push(typeIds[i]!);
    }
  }
  return { pieces, textTypes, specials: pieces.reduce((sum, p) => sum + p.ids.length, 0) };
}

async function textWithTokens(native: NativeTokenizer): Promise<string> {
  const hasTokens = async (text: string) =>
    (await native.encode(text, null, { addSpecialTokens: false })).getLength() > 0;
  if (await hasTokens("a")) return "a";
  for (const token of Object.keys(native.getVocab())) if (await hasTokens(token)) return token;
  throw new BidoraError("TOKENIZER", "No token in the tokenizer's vocabulary can be produced from a text.");
}

/** A row of token ids, with special tokens. */
export interface Encoded {
  readonly inputIds: readonly number[];
  readonly tokenTypeIds: readonly number[];
}

/** The side of a text that is truncated. */
export type Side = "left" | "right";

export interface Truncation {
  readonly maxLength: number | undefined;
  readonly side: Side;
}

/**
 * Adds the special tokens to the tokens of texts, and truncates to `maxLength` tokens in total.
 * @throws UsageError if `maxLength` leaves no room for the texts
 */
export function assemble(
  layout: Layout,
  texts: readonly (readonly number[])[],
  { maxLength, side }: Truncation,
): Encoded {
  const kept = truncate(texts, maxLength === undefined ? undefined : roomForText(layout, maxLength), side);
  const inputIds = [...layout.pieces[0]!.ids];
  const tokenTypeIds = [...layout.pieces[0]!.typeIds];
  for (const [i, text] of kept.entries()) {
    const type = layout.textTypes[i]!;
    for (const id of text) {
      inputIds.push(id);
      tokenTypeIds.push(type);
    }
    for (const id of layout.pieces[i + 1]!.ids) inputIds.push(id);
    for (const typeId of layout.pieces[i + 1]!.typeIds) tokenTypeIds.push(typeId);
  }
  return { inputIds, tokenTypeIds };
}

/** The tokens that `maxLength` leaves for texts. @throws UsageError if there are none */
export function roomForText(layout: Layout, maxLength: number): number {
  const room = maxLength - layout.specials;
  if (Number.isInteger(maxLength) && room > 0) return room;
  throw new UsageError(
    `The maximum length must be a whole number above ${layout.specials}, as this tokenizer adds that many special tokens ` +
      `to ${layout.textTypes.length === 2 ? "a pair of texts" : "a text"}, but it is ${maxLength}.`,
  );
}

/** Truncates the longest text first, as `LongestFirst` of the `tokenizers` library. */
function truncate(
  texts: readonly (readonly number[])[],
  room: number | undefined,
  side: Side,
): readonly (readonly number[])[] {
  const lengths = texts.map((text) => text.length);
  if (room === undefined || lengths.reduce((a, b) => a + b, 0) <= room) return texts;
  const [first, second] = texts;
  const keep = (text: readonly number[], count: number) =>
    side === "right" ? text.slice(0, count) : text.slice(Math.max(0, text.length - count));
  if (second === undefined) return [keep(first!, room)];
  const shorter = Math.min(...lengths);
  const half = Math.floor(room / 2);
  // The short text stays whole if truncating the long one is enough; else both get half, and the longer one the odd token.
  const [short, long] =
    shorter + Math.max(shorter, room - shorter) <= room ? [shorter, room - shorter] : [half, room - half];
  return first!.length > second.length
    ? [keep(first!, long), keep(second, short)]
    : [keep(first!, short), keep(second, long)];
}

/** The tokens of a text without special tokens. */
export interface TextTokens {
  readonly ids: readonly number[];
  /** The characters that each token covers, in code points as in Python, the end excluded. */
  readonly offsets: readonly (readonly [from: number, to: number])[];
}

/** A row of a pair whose second text is split over several rows. */
export interface Window extends Encoded {
  /** The index of the second text's first token in `inputIds`. */
  readonly start: number;
  /** The offsets of the second text's tokens in this row. */
  readonly offsets: TextTokens["offsets"];
}

/** The tokens of texts with their offsets. @throws RefusedText */
export async function tokensOf(native: NativeTokenizer, texts: readonly string[]): Promise<TextTokens[]> {
  requireWellFormed(texts);
  const encodings = await native.encodeBatch([...texts], { addSpecialTokens: false });
  return encodings.map((encoding) => ({
    ids: encoding.getIds(),
    offsets: encoding.getOffsets() as [number, number][],
  }));
}

/**
 * Rows with the whole first text and a part of the second, each beginning with the last `overlap` tokens of the part before.
 * @param room for tokens of the second text, more than `overlap`
 */
export function windowsOf(
  layout: Layout,
  first: TextTokens,
  second: TextTokens,
  { room, overlap }: { readonly room: number; readonly overlap: number },
): Window[] {
  const [before, between] = layout.pieces as [Layout["pieces"][number], Layout["pieces"][number]];
  const start = before.ids.length + first.ids.length + between.ids.length;
  const windows: Window[] = [];
  for (let from = 0; from === 0 || from + overlap < second.ids.length; from += room - overlap) {
    const ids = second.ids.slice(from, from + room);
    const encoded = assemble(layout, [first.ids, ids], { maxLength: undefined, side: "right" });
    windows.push({ ...encoded, start, offsets: second.offsets.slice(from, from + room) });
  }
  return windows;
}
