/** Numbers as Python writes and rounds them. */
import { refuse } from "./error.js";

/** Python's own limit on the digits of an int that it prints. */
const MAX_DIGITS = 4300;
const MAX_BITS = Math.floor(MAX_DIGITS * Math.log2(10));
const LIMIT = 10n ** BigInt(MAX_DIGITS);

/** Refuses a power with too many digits before it is computed. */
export function boundPower(base: bigint, exponent: bigint): void {
  const bits = (base < 0n ? -base : base).toString(2).length;
  if (BigInt(bits - 1) * exponent > MAX_BITS) tooLarge();
}

export function bounded(number: bigint): bigint {
  return number < LIMIT && number > -LIMIT ? number : tooLarge();
}

const tooLarge = (): never => refuse(`it computes a number of more than ${MAX_DIGITS} digits`);

/** Python's `repr()` of a float: the shortest digits that read back as the same float. */
export function floatRepr(number: number): string {
  if (Number.isNaN(number)) return "nan";
  if (!Number.isFinite(number)) return number > 0 ? "inf" : "-inf";
  const [digits, exponent] = number.toExponential().split("e") as [string, string];
  if (Number(exponent) < -4 || Number(exponent) >= 16) return `${digits}e${exponentText(Number(exponent))}`;
  const text = Object.is(number, -0) ? "-0" : String(number);
  return text.includes(".") ? text : `${text}.0`;
}

/** An exponent with a sign and at least two digits. */
export const exponentText = (exponent: number): string =>
  `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;

/** The exact value of a finite number times a power of ten, rounded to an integer, halves to even. */
export function scaled(number: number | bigint, power: number): bigint {
  let [whole, halvings] = [number, 0n];
  for (; typeof whole === "number" && !Number.isInteger(whole); halvings++) whole *= 2;
  const ten = 10n ** BigInt(Math.abs(power));
  return divided(BigInt(whole) * (power > 0 ? ten : 1n), 2n ** halvings * (power < 0 ? ten : 1n));
}

function divided(dividend: bigint, divisor: bigint): bigint {
  const [quotient, rest] = [dividend / divisor, dividend % divisor];
  const twice = 2n * (rest < 0n ? -rest : rest);
  const roundsUp = twice > divisor || (twice === divisor && quotient % 2n !== 0n);
  return roundsUp ? quotient + (dividend < 0n ? -1n : 1n) : quotient;
}

/** A non-negative number with a fixed number of decimals. */
export function fixed(number: number | bigint, decimals: number): string {
  const digits = scaled(number, decimals)
    .toString()
    .padStart(decimals + 1, "0");
  const point = digits.length - decimals;
  return decimals === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** The first `count` significant digits of a non-negative number, and the power of ten of the first digit. */
export function leadingDigits(
  number: number | bigint,
  count: number,
): { readonly digits: string; readonly exponent: number } {
  if (Number(number) === 0) return { digits: "0".repeat(count), exponent: 0 };
  const exponent =
    typeof number === "bigint" ? number.toString().length - 1 : Number(number.toExponential().split("e")[1]);
  const digits = scaled(number, count - 1 - exponent).toString();
  // Rounding nines up adds a digit.
  return { digits: digits.slice(0, count), exponent: exponent + digits.length - count };
}
