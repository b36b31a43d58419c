import { assemble, type Encoded, type Layout } from "./layout.js";
import type { NativeTokenizer } from "./native.js";
import { requireWhole } from "./surrogates.js";

/** The tokens of a text, without special ones. */
export interface TextTokens {
  readonly ids: readonly number[];
  /** The characters that each token covers, from the first to before the last, counted in code points as Python does. */
  readonly offsets: readonly (readonly [from: number, to: number])[];
}

/** A row of a pair whose second text goes on in other rows. */
export interface Window extends Encoded {
  /** Where the second text's tokens begin in `inputIds`. */
  readonly start: number;
  /** Of the second text's tokens that are here. */
  readonly offsets: TextTokens["offsets"];
}

/** The tokens of whole texts with the characters that they cover. @throws RefusedText */
export async function tokensOf(native: NativeTokenizer, texts: readonly string[]): Promise<TextTokens[]> {
  requireWhole(texts);
  const encodings = await native.encodeBatch([...texts], { addSpecialTokens: false });
  return encodings.map((encoding) => ({
    ids: encoding.getIds(),
    offsets: encoding.getOffsets() as [number, number][],
  }));
}

/**
 * Rows that hold a first text whole and go through a second one, each with the last `overlap` tokens of the one before.
 * @param room for tokens of the second text: more than `overlap`
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
