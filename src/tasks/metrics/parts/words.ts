/** Words as Python splits them, and what two lists have in common. */

/** Whitespace to Python's `str.split()`: unlike JavaScript's `\s` without the byte-order mark, but with ASCII's separators. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: four of them are whitespace to Python.
const SPACE = /[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/** The words of a text between whitespace, as Python's `str.split()`. */
export const splitWords = (text: string): string[] => text.split(SPACE).filter((word) => word !== "");

/** How many elements two lists share, as multisets. */
export function countInCommon(a: readonly string[], b: readonly string[]): number {
  const left = new Map<string, number>();
  for (const element of a) left.set(element, (left.get(element) ?? 0) + 1);
  let common = 0;
  for (const element of b) {
    const count = left.get(element) ?? 0;
    if (count === 0) continue;
    left.set(element, count - 1);
    common++;
  }
  return common;
}
