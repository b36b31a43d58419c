// Keys of JSON objects that parsers lose silently: those written twice, and `__proto__`.

import { z } from "zod";

/**
 * The first key that an object in `text` has twice, as `duplicateKey`, found fast for texts that have none, as nearly all: a key or
 * text for every two quotes, unless some were lost on the way.
 * @param value what `JSON.parse` made of the text
 */
export function duplicateKeyIn(text: string, value: unknown): string | undefined {
  return countQuotes(text) === 2 * countStrings(value) ? undefined : duplicateKey(text);
}

/**
 * The first key that an object in `text` has twice, which `JSON.parse` would pass over in silence. `text` must be valid JSON.
 * Goes by characters, as an expression overflows on a string of millions.
 */
export function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{") open.push(new Set());
    else if (character === "[") open.push(undefined);
    else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const end = endOfString(text, at);
      if (isKey(text, end)) {
        const key = JSON.parse(text.slice(at, end)) as string;
        const keys = open.at(-1)!;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** Just after the quote that closes the string whose first quote stands at `start`. */
function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);
  while (isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  return quote + 1;
}

/** Whether an odd number of backslashes stands before a place. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text[first - 1] === "\\") first--;
  return (at - first) % 2 === 1;
}

function isKey(text: string, afterString: number): boolean {
  let at = afterString;
  while (/\s/.test(text[at] ?? "")) at++;
  return text[at] === ":";
}

/** Quotes that open or close a string: those inside have a backslash before them that is not itself escaped. */
function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) if (!isEscaped(text, at)) count++;
  return count;
}

/** Keys and texts at any depth, which is not bounded by the stack. */
function countStrings(value: unknown): number {
  let count = 0;
  const open = [value];
  while (open.length > 0) {
    const part = open.pop();
    if (typeof part === "string") count++;
    else if (Array.isArray(part)) for (const item of part) open.push(item);
    else if (typeof part === "object" && part !== null) {
      const items: unknown[] = Object.values(part);
      count += items.length;
      for (const item of items) open.push(item);
    }
  }
  return count;
}

/** A record of which nothing gets lost: zod leaves a key `__proto__` out without a word. */
export const wholeRecord = <T>(record: z.ZodType<T>): z.ZodType<T> =>
  z
    .unknown()
    .refine((value) => !(value instanceof Object && Object.hasOwn(value, "__proto__")), {
      error: "the name __proto__ is not supported",
      abort: true,
    })
    .pipe(record);
