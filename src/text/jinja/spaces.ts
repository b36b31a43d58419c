/** What Python takes for white space: with the separators of ASCII, without the byte-order mark that JavaScript counts in. */
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

export const SPACES = new RegExp(`[${SPACE}]+`, "u");
const LEADING = new RegExp(`^[${SPACE}]+`, "u");
const TRAILING = new RegExp(`(?<![${SPACE}])[${SPACE}]+$`, "u");

export const trimmedStart = (text: string): string => text.replace(LEADING, "");
export const trimmedEnd = (text: string): string => text.replace(TRAILING, "");

/** Where Python ends lines. */
const LINE_ENDS = "\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029";
const LINE_END = new RegExp(`\\r\\n|[${LINE_ENDS}]`, "gu");

/** Python's `splitlines()`. */
export function linesOf(text: string, keepsEnds = false): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const { 0: end, index } of text.matchAll(LINE_END)) {
    lines.push(text.slice(start, index + (keepsEnds ? end.length : 0)));
    start = index + end.length;
  }
  return start < text.length ? [...lines, text.slice(start)] : lines;
}
