import { refuse } from "./fault.js";
import { bounded, boundPower } from "./numbers.js";
import { compare } from "./order.js";
import { percentFormat } from "./percent.js";
import { concatenated } from "./strings.js";
import {
  contains,
  isEqual,
  isList,
  isNumber,
  kindOf,
  numberLike,
  Range,
  smallNumber,
  Tuple,
  type Value,
} from "./values.js";

const ORDERS: Readonly<Record<string, (order: number) => boolean>> = {
  "<": (order) => order < 0,
  ">": (order) => order > 0,
  "<=": (order) => order <= 0,
  ">=": (order) => order >= 0,
};

const ON_WHOLE: Readonly<Record<string, (a: bigint, b: bigint) => Value>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "//": (a, b) => (a - modulo(a, b)) / b,
  "%": modulo,
  "**": power,
};

const ON_FLOATS: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "//": floorQuotient,
  "%": floatModulo,
};

/** So many characters or items a repeated text or list may have. */
const MOST_REPEATED = 2 ** 22;

/** An operator of two sides, but for `and` and `or`. @throws TemplateFault where Python has none, or is not followed */
export function operate(operator: string, left: Value, right: Value): Value {
  if (operator === "==") return isEqual(left, right);
  if (operator === "!=") return !isEqual(left, right);
  if (operator === "in") return contains(right, left);
  if (operator === "not in") return !contains(right, left);
  if (operator === "~") return concatenated(left, right);
  if (operator === "%" && typeof left === "string") return percentFormat(left, right);
  const order = Object.hasOwn(ORDERS, operator) ? ORDERS[operator] : undefined;
  if (order) return hasNaN(left, right) ? false : order(compare(left, right));
  if (operator === "+" && !isNumber(numberLike(left))) return joined(left, right);
  if (operator === "*" && isRepeatable(left)) return repeated(left, right);
  if (operator === "*" && isRepeatable(right)) return repeated(right, left);
  return computed(operator, left, right);
}

const hasNaN = (...values: readonly Value[]): boolean => values.some((value) => Number.isNaN(value));

function joined(left: Value, right: Value): Value {
  if (typeof left === "string" && typeof right === "string") return left + right;
  if (!isList(left) || !isList(right) || left.constructor !== right.constructor || left instanceof Range)
    return unknown("+", left, right);
  return left instanceof Tuple ? Tuple.from([...left, ...right]) : [...left, ...right];
}

const isRepeatable = (value: Value): value is string | readonly Value[] =>
  typeof value === "string" || (isList(value) && !(value instanceof Range));

function repeated(value: string | readonly Value[], times: Value): Value {
  const count = Math.max(0, smallNumber(times, "how often a text or a list is repeated"));
  if (value.length * count > MOST_REPEATED) return refuse(`it repeats a text or a list ${count} times`);
  if (typeof value === "string") return value.repeat(count);
  const items = Array.from({ length: count }, () => value).flat() as Value[];
  return value instanceof Tuple ? Tuple.from(items) : items;
}

function computed(operator: string, left: Value, right: Value): Value {
  const [a, b] = [numberLike(left), numberLike(right)];
  if (!isNumber(a) || !isNumber(b)) return unknown(operator, left, right);
  if (/^(\/\/?|%)$/.test(operator) && Number(b) === 0) return refuse("it divides by 0");
  if (typeof a === "bigint" && typeof b === "bigint" && operator !== "/") {
    const value = ON_WHOLE[operator]?.(a, b);
    return typeof value === "bigint" ? bounded(value) : unknown(operator, left, right);
  }
  return ON_FLOATS[operator]?.(floatOf(a), floatOf(b)) ?? unknown(operator, left, right);
}

/** A whole number that a float does not hold exactly is not followed. */
function floatOf(number: bigint | number): number {
  if (typeof number === "number" || BigInt(Number(number)) === number) return Number(number);
  return refuse(`it computes a float from ${number}, which is too large`);
}

function modulo(a: bigint, b: bigint): bigint {
  return ((a % b) + b) % b;
}

/** With the divisor's sign, as Python's. */
function floatModulo(a: number, b: number): number {
  const rest = a % b;
  if (rest === 0) return b < 0 ? -0 : 0;
  return rest < 0 === b < 0 ? rest : rest + b;
}

function floorQuotient(a: number, b: number): number {
  const rest = a % b;
  const quotient = (a - rest) / b - (rest !== 0 && rest < 0 !== b < 0 ? 1 : 0);
  if (quotient === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0;
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

function power(base: bigint, exponent: bigint): bigint {
  if (exponent < 0n) return refuse("it has a power below 0");
  boundPower(base, exponent);
  return base ** exponent;
}

function unknown(operator: string, left: Value, right: Value): never {
  return refuse(`it has ${kindOf(left)} ${operator} ${kindOf(right)}`);
}
