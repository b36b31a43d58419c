// Values, names and text as messages show them.

import { distance } from "fastest-levenshtein";

const MOST = 80;

const shownPaths = new Map<string, string>();

/** Has errors name a user's file where they would name the folder that was made from it, or a file in that. */
export const showPathAs = (folder: string, file: string): void => void shownPaths.set(folder, file);

/** What the user knows a folder as. */
export const shownPath = (folder: string): string => shownPaths.get(folder) ?? folder;

/** A message with paths that the user knows. */
export function withShownPaths(message: string): string {
  let text = message;
  for (const [folder, file] of shownPaths)
    text = text.split(folder).reduce((before, after) => `${before}${file}${after.replace(/^\/[\w.-]+/, "")}`);
  return text;
}

/** Any value as messages show it, shortened if it is long. */
export function shown(value: unknown): string {
  if (typeof value === "string") return short(JSON.stringify(value.slice(0, MOST)), "a string");
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return short(json(value.slice(0, MOST)), `a list of ${value.length}`);
  const name: unknown = value.constructor?.name;
  return !name || name === "Object" ? short(json(value), "an object") : withArticle(String(name));
}

const withArticle = (name: string): string => `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;

function short(text: string | undefined, what: string): string {
  if (text === undefined) return what;
  return text.length <= MOST ? text : `${what} starting with ${text.slice(0, MOST)}`;
}

/** Undefined for values that JSON can't hold, such as cycles and bigints. */
function json(value: object): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/**
 * The candidate that `word` is most likely a misspelling of, or undefined if none is close enough: at most two edits (such as
 * two swapped letters), or a third of a longer word's letters.
 */
export function nearestSpelling(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(Math.max(3, Math.floor(word.length / 3) + 1), word.length);
  for (const candidate of candidates) {
    const apart = distance(word.toLowerCase(), candidate.toLowerCase());
    if (apart < bestDistance) [best, bestDistance] = [candidate, apart];
  }
  return best;
}

/** ` Did you mean "x"?` to append to a message, or the empty string if no candidate is close. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const found = nearestSpelling(word, candidates);
  return found === undefined ? "" : ` Did you mean "${found}"?`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: it matches control characters on purpose
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

const visible = (character: string): string =>
  character === "\n"
    ? "\\n"
    : character === "\t"
      ? "\\t"
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;

/** Text on one line, with control characters escaped (`\x1b`), so that a terminal shows them and does not interpret them. */
export const oneLine = (text: string): string => text.replace(CONTROLS, visible);

/** As `oneLine`, but keeps line breaks and tabs. */
export const printable = (text: string): string =>
  text.replace(CONTROLS, (character) => (character === "\n" || character === "\t" ? character : visible(character)));

/** Text of at most so many characters: its middle is left out if it has more. */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  const kept = Math.floor((most - 1) / 2);
  return `${text.slice(0, kept)}…${text.slice(-kept)}`;
}

/** A value as one line of JSON, with all control characters escaped, also those that `JSON.stringify` leaves. */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value).replace(CONTROLS, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
