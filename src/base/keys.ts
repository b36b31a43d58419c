// Keys of JSON objects that parsers lose silently: those written twice, and `__proto__`.

/**
 * As `duplicateKey`, but fast for the usual text without duplicates: there, the number of keys and strings in the parsed value is
 * half the number of quotes.
 * @param value the result of `JSON.parse(text)`
 */
export function duplicateKeyIn(text: string, value: unknown): string | undefined {
  return countQuotes(text) === 2 * countStrings(value) ? undefined : duplicateKey(text);
}

/**
 * The first key that occurs twice in one object, which `JSON.parse` ignores silently. `text` must be valid JSON.
 * Scans characters, since a regular expression overflows on a string of millions of characters.
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

/** The position after the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);
  while (isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  return quote + 1;
}

/** Whether the character at this position follows an odd number of backslashes. */
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

/** The number of quotes that open or close a string, that is, those that are not escaped. */
function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) if (!isEscaped(text, at)) count++;
  return count;
}

/** The number of keys and strings at any depth, without recursion. */
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
