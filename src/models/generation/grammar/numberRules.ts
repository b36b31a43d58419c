/** Numbers between two whole ones, as expressions of a grammar. */

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
