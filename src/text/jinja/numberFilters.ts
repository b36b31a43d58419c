/** Jinja's filters on numbers. */
import { refuse } from "./fault.js";
import { bounded, fixed, scaled } from "./numbers.js";
import { type Filter, parameters, plain } from "./parameters.js";
import { isNumber, kindOf, numberLike, smallNumber, type Value } from "./values.js";

/** Texts that Python reads as numbers, without what it reads otherwise than JavaScript. */
const WHOLE = /^ *[-+]?\d+ *$/;
const FLOAT = /^ *[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)? *$/i;

export const NUMBER_FILTERS: Readonly<Record<string, Filter>> = {
  int: (value, args) => {
    const [other = 0n, base = 10n] = parameters("int", args, "default", "base");
    return base === 10n ? integerOf(value, other) : refuse("the filter int is known with base 10 alone");
  },
  float: (value, args) => floatOf(value, parameters("float", args, "default")[0] ?? 0),
  abs: plain("abs", (value) => {
    const number = numberOf("abs", value);
    return number < 0 || Object.is(number, -0) ? -number : number;
  }),
  round: (value, args) => {
    const [precision = 0n, method = "common"] = parameters("round", args, "precision", "method");
    if (method !== "common") return refuse("the filter round is known with the method common alone");
    return rounded(numberOf("round", value), smallNumber(precision, "a precision"));
  },
};

function numberOf(filter: string, value: Value): bigint | number {
  const number = numberLike(value);
  return isNumber(number) ? number : refuse(`the filter ${filter} takes a number, not ${kindOf(value)}`);
}

function integerOf(value: Value, other: Value): Value {
  if (typeof value === "string" && WHOLE.test(value)) return bounded(BigInt(value.trim().replace(/^\+/, "")));
  const number = typeof value === "string" && FLOAT.test(value) ? Number(value) : numberLike(value);
  if (typeof number === "number" && Number.isFinite(number)) return BigInt(Math.trunc(number));
  if (typeof number === "bigint") return number;
  return typeof number === "number"
    ? refuse("the filter int takes a number that is not finite")
    : unread("int", value, other);
}

function floatOf(value: Value, other: Value): Value {
  const number = typeof value === "string" && FLOAT.test(value) ? Number(value) : numberLike(value);
  return isNumber(number) ? Number(number) : unread("float", value, other);
}

/** What is no number gives what stands in for it; of a text that Python may read and this does not, nothing is known. */
function unread(filter: string, value: Value, other: Value): Value {
  if (typeof value === "string" && /[\d_]|inf|nan/i.test(value))
    return refuse(`the filter ${filter} reads ${JSON.stringify(value.slice(0, 20))}`);
  return value === undefined ? refuse(`the filter ${filter} takes nothing (it is undefined)`) : other;
}

/** Python's `round()` of a float, exactly; whole numbers with a precision stay what they are. */
function rounded(number: bigint | number, precision: number): Value {
  if (typeof number === "bigint" || !Number.isFinite(number))
    return precision < 0 ? refuse("the filter round has a precision below 0") : number;
  if (precision < 0 || precision > 100) return refuse("the filter round has a precision that is not known");
  const sign = number < 0 || Object.is(number, -0) ? -1 : 1;
  return sign * Number(precision === 0 ? scaled(Math.abs(number), 0) : fixed(Math.abs(number), precision));
}
