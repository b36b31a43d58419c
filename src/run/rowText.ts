import type { LanguageExample } from "../data/index.js";
import type { Tokenizer } from "../text/index.js";

/** Characters of a row that are kept for people to read. */
const LONGEST = 300;

/** The beginning of a text on one line, in code points: what is cut off shows as "…". */
export function shortText(text: string): string {
  const characters = Array.from(text.replace(/\s+/gu, " ").trim());
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join("")}…` : characters.join("");
}

/** What the tokenizer puts at both ends of a row. */
export interface RowEnds {
  readonly front: readonly number[];
  readonly back: readonly number[];
}

/** The beginning of a row from its tokens. Those between its texts stay, and show where the second begins; those at its ends go. */
export async function rowText(tokenizer: Tokenizer, ids: readonly number[], { front, back }: RowEnds): Promise<string> {
  const begins = front.every((id, i) => ids[i] === id) ? front.length : 0;
  const ends = back.every((id, i) => ids[ids.length - back.length + i] === id) ? ids.length - back.length : ids.length;
  // A token is seldom less than a character, so that these spell more than is kept.
  const needed = ids.slice(begins, Math.max(begins, Math.min(ends, begins + 2 * LONGEST)));
  return shortText(await tokenizer.decode(needed, { skipSpecialTokens: false }));
}

/** What a model is asked to go on from, in its file's words: of a conversation what was said last. */
export function promptText(input: LanguageExample["input"]): string {
  if (input.kind === "text") return input.text;
  const asked = input.kind === "prompt" ? input.prompt : input.messages;
  if (typeof asked === "string") return asked;
  const { content = "" } = asked.at(-1) ?? {};
  return typeof content === "string" ? content : content.map(({ text }) => text).join("");
}
