/** Alternatives of texts, as expressions of a grammar. */

/** A text in the grammar. */
export const literal = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&")}"`;

/** A text, and the expression of what comes after it. */
export interface Continuation {
  readonly text: string;
  readonly after: string;
}

/**
 * One of several ways, by rules in which no two alternatives begin with the same character. XGrammar 0.1.27 merges longer alternatives to more
 * texts than they are.
 * @param addRule adds a rule with this expression, and returns its name
 */
export function oneOfWays(ways: readonly Continuation[], addRule: (expression: string) => string): string {
  const groups = new Map<string, Continuation[]>();
  for (const way of ways) {
    const [first = ""] = way.text;
    const group = groups.get(first);
    if (group) group.push(way);
    else groups.set(first, [way]);
  }
  const alternatives = [...groups.values()].map((group) => {
    const start = commonStart(group.map(({ text }) => text));
    const rests = group.map(({ text, after }) => ({ text: text.slice(start.length), after }));
    const [{ after }] = rests as [Continuation];
    return `${literal(start)} ${rests.length === 1 ? after : oneOfWays(rests, addRule)}`;
  });
  return addRule(alternatives.join(" | "));
}

/** One of several texts. */
export const oneOfTexts = (texts: readonly string[], addRule: (expression: string) => string): string =>
  oneOfWays(
    [...new Set(texts)].map((text) => ({ text, after: "" })),
    addRule,
  );

/** The longest start that all texts have. */
function commonStart(texts: readonly string[]): string {
  return texts.reduce((start, text) => {
    const end = differsAt(start, text);
    return start.slice(0, isHalf(start, end) ? end - 1 : end);
  });
}

/** The index of the first UTF-16 unit at which two texts differ, or the length of the shorter one. */
function differsAt(one: string, other: string): number {
  let at = 0;
  while (at < one.length && at < other.length && one[at] === other[at]) at++;
  return at;
}

/** Whether a text's first `end` units end in the middle of a character. */
const isHalf = (text: string, end: number): boolean => (text.codePointAt(end - 1) ?? 0) > 0xffff;

/**
 * JSON texts of one rule: with characters beyond ASCII escaped if two texts go on with such characters that have the same first byte, which
 * XGrammar 0.1.27 merges.
 */
export function separable(texts: readonly string[]): readonly string[] {
  const sorted = [...texts].sort();
  const isMerged = sorted.some((text, i) => i > 0 && goOnAlike(sorted[i - 1] as string, text));
  return isMerged ? texts.map((text) => text.replace(/[^\0-\x7f]/g, escaped)) : texts;
}

function goOnAlike(one: string, other: string): boolean {
  const at = differsAt(one, other);
  const [a, b] = [one.charCodeAt(at), other.charCodeAt(at)];
  return a >= 0x80 && b >= 0x80 && leadByte(a) === leadByte(b);
}

/** The first byte of a UTF-16 unit's character. */
const leadByte = (unit: number): number =>
  unit < 0x800 ? 0xc0 | (unit >> 6) : unit >= 0xd800 && unit < 0xe000 ? 0xf0 : 0xe0 | (unit >> 12);

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
