import { BidoraError, UsageError } from "../common/errors.js";
import type { NativeTokenizer } from "./native.js";

/** Where the special tokens stand around one text or two: `[CLS] A [SEP] B [SEP]` has the pieces `[CLS]`, `[SEP]`, `[SEP]`. */
export interface Layout {
  /** Special tokens before the first text, between two texts, after the last: one more than there are texts. */
  readonly pieces: readonly Piece[];
  /** The type id of each text's tokens. */
  readonly textTypes: readonly number[];
  /** How many special tokens there are in all. */
  readonly specials: number;
}

interface Piece {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
}

/** Learns the layout for `texts` texts from what the tokenizer puts around a text that has tokens. */
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
  throw new BidoraError("TOKENIZER", "The tokenizer's vocabulary has no token that a text could give.");
}

/** A row as token ids, special tokens included. */
export interface Encoded {
  readonly inputIds: readonly number[];
  readonly tokenTypeIds: readonly number[];
}

/** The side of a text that is cut off. */
export type Side = "left" | "right";

interface Cutting {
  readonly maxLength: number | undefined;
  readonly side: Side;
}

/**
 * Puts the special tokens around the tokens of the texts, which are cut to `maxLength` tokens in all.
 * @throws UsageError if `maxLength` leaves no room beside the special tokens.
 */
export function assemble(layout: Layout, texts: readonly (readonly number[])[], { maxLength, side }: Cutting): Encoded {
  const kept = cut(texts, maxLength === undefined ? undefined : roomForText(layout, maxLength), side);
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

/** @throws UsageError if there is none */
export function roomForText(layout: Layout, maxLength: number): number {
  const room = maxLength - layout.specials;
  if (Number.isInteger(maxLength) && room > 0) return room;
  throw new UsageError(
    `The maximum length must be a whole number above ${layout.specials}, as this tokenizer adds that many special tokens ` +
      `to ${layout.textTypes.length === 2 ? "a pair of texts" : "a text"}, but it is ${maxLength}.`,
  );
}

/** Cuts the longest text first: the rule of the `tokenizers` library (`LongestFirst`). */
function cut(
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
  // A short text stays whole if the long one can give way; else both are halved, and an odd token goes to the longer one.
  const [short, long] =
    shorter + Math.max(shorter, room - shorter) <= room ? [shorter, room - shorter] : [half, room - half];
  return first!.length > second.length
    ? [keep(first!, long), keep(second, short)]
    : [keep(first!, short), keep(second, long)];
}
