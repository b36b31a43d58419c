/** Numbers between two whole ones, as expressions of a grammar. */

/** The whole numbers that JavaScript and JSON readers have exactly. */
const MOST = Number.MAX_SAFE_INTEGER;

const FRACTION = '("." [0-9]{1,15})?';

/** Bounds that are whole numbers; undefined for none. */
export interface Bounds {
  readonly least: number | undefined;
  readonly most: number | undefined;
}

/** Any number, with an exponent that keeps it finite. */
export const ANY_NUMBER = `"-"? ("0" | [1-9] [0-9]{0,15}) ${FRACTION} ([eE] [+-]? [0-9]{1,2})?`;

/** The whole numbers from `least` to `most`. */
export function integers({ least = -MOST, most = MOST }: Bounds): string {
  return signed(least, most, (from, to) => digits(from, to));
}

/** The numbers from `least` to `most`, without an exponent. */
export function numbers({ least = -MOST, most = MOST }: Bounds): string {
  return signed(least, most, (from, to) =>
    from === to ? digits(to, to) : `((${digits(from, to - 1)}) ${FRACTION} | ${digits(to, to)})`,
  );
}

/** The numbers from `least` to `most`, by their magnitudes. */
function signed(least: number, most: number, magnitudes: (from: number, to: number) => string): string {
  const positive = most >= 0 ? [magnitudes(Math.max(least, 0), most)] : [];
  const negative = least < 0 ? [`"-" (${magnitudes(most < 0 ? -most : 0, -least)})`] : [];
  return `(${[...positive, ...negative].join(" | ")})`;
}

/** The decimal digits of the whole numbers from `from` to `to`, neither of them negative. */
function digits(from: number, to: number): string {
  const [first, last] = [String(from), String(to)];
  const ways: string[] = [];
  for (let length = first.length; length <= last.length; length++) {
    const lowest = length === first.length ? first : `1${"0".repeat(length - 1)}`;
    ways.push(between(lowest, length === last.length ? last : "9".repeat(length)));
  }
  return ways.join(" | ");
}

/** The texts of digits from `low` to `high`, which are of one length. */
function between(low: string, high: string): string {
  if (low === high) return JSON.stringify(low);
  if (/^0*$/.test(low) && /^9*$/.test(high)) return `[0-9]{${low.length}}`;
  const [a, b] = [Number(low[0]), Number(high[0])];
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  if (lowRest === "") return `[${a}-${b}]`;
  if (a === b) return `"${a}" (${between(lowRest, highRest)})`;
  const [isLowest, isHighest] = [/^0*$/.test(lowRest), /^9*$/.test(highRest)];
  const [from, to] = [isLowest ? a : a + 1, isHighest ? b : b - 1];
  return [
    ...(isLowest ? [] : [`"${a}" (${between(lowRest, "9".repeat(lowRest.length))})`]),
    ...(from <= to ? [`[${from}-${to}] [0-9]{${lowRest.length}}`] : []),
    ...(isHighest ? [] : [`"${b}" (${between("0".repeat(highRest.length), highRest)})`]),
  ].join(" | ");
}
