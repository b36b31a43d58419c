// Alternatives of texts, and numbers between two whole ones, as expressions of a grammar.

// Texts

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
export function oneOfWays(ways: readonly Continuation[], addRule: AddRule): string {
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
export const oneOfTexts = (texts: readonly string[], addRule: AddRule): string =>
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
  const isMerged = sorted.some((text, i) => i > 0 && goOnAlike(sorted[i - 1]!, text));
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

// Numbers

/** The whole numbers that JavaScript and JSON readers have exactly. */
const MOST = Number.MAX_SAFE_INTEGER;

/** Adds a rule with an expression. @returns its name */
export type AddRule = (expression: string) => string;

/** Bounds that are whole numbers; undefined for none. */
export interface Bounds {
  readonly least: number | undefined;
  readonly most: number | undefined;
}

/** Rules that the expressions refer to. */
export const NUMBER_RULES = `fraction ::= "" | "." [0-9]{1,15}
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) fraction ([eE] [+-]? [0-9]{1,2})?`;

/** Digits from `low` to `high`, two texts of one length. */
interface Span {
  readonly low: string;
  readonly high: string;
  /** Whether a fraction may follow. */
  readonly hasFraction: boolean;
}

/** The whole numbers from `least` to `most`. */
export function integers({ least = -MOST, most = MOST }: Bounds, addRule: AddRule): string {
  return signed(least, most, (from, to) => digits(spans(from, to, false), addRule));
}

/** The numbers from `least` to `most`, without an exponent. */
export function numbers({ least = -MOST, most = MOST }: Bounds, addRule: AddRule): string {
  return signed(least, most, (from, to) =>
    digits([...(from < to ? spans(from, to - 1, true) : []), ...spans(to, to, false)], addRule),
  );
}

/** The numbers from `least` to `most`, by their magnitudes. */
function signed(least: number, most: number, magnitudes: (from: number, to: number) => string): string {
  const positive = most >= 0 ? [magnitudes(Math.max(least, 0), most)] : [];
  const negative = least < 0 ? [`"-" ${magnitudes(most < 0 ? -most : 0, -least)}`] : [];
  return `(${[...positive, ...negative].join(" | ")})`;
}

/** The whole numbers from `from` to `to`, neither of them negative, by their number of digits. */
function spans(from: number, to: number, hasFraction: boolean): Span[] {
  const [first, last] = [String(from), String(to)];
  return Array.from({ length: last.length - first.length + 1 }, (_, i) => {
    const length = first.length + i;
    const low = i === 0 ? first : `1${"0".repeat(length - 1)}`;
    return { low, high: length === last.length ? last : "9".repeat(length), hasFraction };
  });
}

/**
 * The digits of any of the spans: a deterministic automaton with a rule for each state, as XGrammar 0.1.27 merges alternatives that begin with the same
 * digit to more texts than they are.
 */
function digits(given: readonly Span[], addRule: AddRule, known = new Map<string, string>()): string {
  const all = [...new Map(given.map((span) => [JSON.stringify(span), span])).values()];
  const key = JSON.stringify(all);
  const before = known.get(key);
  if (before !== undefined) return before;
  const next = new Map<string, number[]>();
  for (let digit = 0; digit <= 9; digit++) {
    const after = all.flatMap((span) => spanAfter(span, `${digit}`));
    if (after.length > 0)
      next.set(digits(after, addRule, known), [...(next.get(digits(after, addRule, known)) ?? []), digit]);
  }
  const ended = all.filter(({ low }) => low === "");
  const ways = [...next].map(([rule, own]) => `[${own.join("")}] ${rule}`);
  const end = ended.length === 0 ? [] : [ended.some(({ hasFraction }) => hasFraction) ? "fraction" : '""'];
  const rule = addRule([...ways, ...end].join(" | "));
  known.set(key, rule);
  return rule;
}

/** What is left of a span after a digit; nothing if it has no such text. */
function spanAfter({ low, high, hasFraction }: Span, digit: string): Span[] {
  const [first, last] = [low[0], high[0]];
  if (first === undefined || last === undefined || digit < first || digit > last) return [];
  const length = low.length - 1;
  return [
    {
      low: digit === first ? low.slice(1) : "0".repeat(length),
      high: digit === last ? high.slice(1) : "9".repeat(length),
      hasFraction,
    },
  ];
}
