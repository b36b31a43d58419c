/** The binary operators, with Python's semantics. */
import { refuse } from "./error.js";
import { bounded, boundPower } from "./numbers.js";
import { percentFormat } from "./percent.js";
import { concatenate } from "./strings.js";
import {
  compare,
  contains,
  isEqual,
  isList,
  isNumber,
  numberLike,
  Range,
  requireSmallInt,
  SafeString,
  Tuple,
  typeName,
  type Value,
} from "./values.js";

const ORDERS: Readonly<Record<string, (order: number) => boolean>> = {
  "<": (order) => order < 0,
  ">": (order) => order > 0,
  "<=": (order) => order <= 0,
  ">=": (order) => order >= 0,
};

const ON_INTS: Readonly<Record<string, (a: bigint, b: bigint) => Value>> = {
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
  "//": floorDivide,
  "%": floatModulo,
};

/** The most characters or items of a repeated string or list. */
const MAX_REPEATED = 2 ** 22;

/** Applies any binary operator except `and` and `or`. @throws TemplateError if Python raises an error, or the case is not supported */
export function operate(operator: string, left: Value, right: Value): Value {
  if (operator === "==") return isEqual(left, right);
  if (operator === "!=") return !isEqual(left, right);
  if (operator === "in") return contains(right, left);
  if (operator === "not in") return !contains(right, left);
  if (operator === "~") return concatenate(left, right);
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
  const [a, b] = [escaped(left), escaped(right)];
  if (a !== undefined && b !== undefined) return new SafeString(a + b);
  if (!isList(left) || !isList(right) || left.constructor !== right.constructor || left instanceof Range)
    return unsupported("+", left, right);
  return left instanceof Tuple ? Tuple.from([...left, ...right]) : [...left, ...right];
}

/** MarkupSafe's replacements. */
const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "'": "&#39;",
  '"': "&#34;",
};

/** A string as it is when a safe one is added to it. */
function escaped(value: Value): string | undefined {
  if (value instanceof SafeString) return value.text;
  return typeof value === "string" ? value.replace(/[&<>'"]/g, (character) => ENTITIES[character]!) : undefined;
}

const isRepeatable = (value: Value): value is string | readonly Value[] =>
  typeof value === "string" || (isList(value) && !(value instanceof Range));

function repeated(value: string | readonly Value[], times: Value): Value {
  const count = Math.max(0, requireSmallInt(times, "the factor of a string or list"));
  if (value.length * count > MAX_REPEATED) return refuse(`it repeats a string or list ${count} times`);
  if (typeof value === "string") return value.repeat(count);
  const items = Array.from({ length: count }, () => value).flat() as Value[];
  return value instanceof Tuple ? Tuple.from(items) : items;
}

function computed(operator: string, left: Value, right: Value): Value {
  const [a, b] = [numberLike(left), numberLike(right)];
  if (!isNumber(a) || !isNumber(b)) return unsupported(operator, left, right);
  if (/^(\/\/?|%)$/.test(operator) && Number(b) === 0) return refuse("it divides by 0");
  if (typeof a === "bigint" && typeof b === "bigint" && operator !== "/") {
    const value = ON_INTS[operator]?.(a, b);
    return typeof value === "bigint" ? bounded(value) : unsupported(operator, left, right);
  }
  return ON_FLOATS[operator]?.(floatOf(a), floatOf(b)) ?? unsupported(operator, left, right);
}

/** An int that no float holds exactly is refused. */
function floatOf(number: bigint | number): number {
  if (typeof number === "number" || BigInt(Number(number)) === number) return Number(number);
  return refuse(`it converts ${number} to a float, for which it is too large`);
}

function modulo(a: bigint, b: bigint): bigint {
  return ((a % b) + b) % b;
}

/** The result has the divisor's sign, as in Python. */
function floatModulo(a: number, b: number): number {
  const rest = a % b;
  if (rest === 0) return b < 0 ? -0 : 0;
  return rest < 0 === b < 0 ? rest : rest + b;
}

function floorDivide(a: number, b: number): number {
  const rest = a % b;
  const quotient = (a - rest) / b - (rest !== 0 && rest < 0 !== b < 0 ? 1 : 0);
  if (quotient === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0;
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

function power(base: bigint, exponent: bigint): bigint {
  if (exponent < 0n) return refuse("it has a negative exponent");
  boundPower(base, exponent);
  return base ** exponent;
}

function unsupported(operator: string, left: Value, right: Value): never {
  return refuse(`it computes ${typeName(left)} ${operator} ${typeName(right)}`);
}
