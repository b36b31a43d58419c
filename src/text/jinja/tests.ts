/** Jinja's tests, as far as chat templates use them. */
import { own } from "../../common/collections.js";
import { refuse } from "./fault.js";
import { operate } from "./operators.js";
import {
  Callable,
  Fields,
  isDict,
  isEqual,
  isList,
  isNumber,
  isTrue,
  numberLike,
  Once,
  type Value,
  View,
  wholeNumber,
} from "./values.js";

type Test = (value: Value) => boolean;

const isSequence: Test = (value) => value === undefined || typeof value === "string" || isList(value) || isDict(value);
const isIterable: Test = (value) => isSequence(value) || value instanceof View || value instanceof Once;

const TESTS: Readonly<Record<string, Test>> = {
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  none: (value) => value === null,
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  true: (value) => value === true,
  false: (value) => value === false,
  number: (value) => isNumber(numberLike(value)),
  integer: (value) => typeof value === "bigint",
  float: (value) => typeof value === "number",
  mapping: isDict,
  sequence: isSequence,
  iterable: isIterable,
  // Jinja's undefined has the method that makes it so.
  callable: (value) => value === undefined || value instanceof Callable,
  odd: (value) => wholeNumber(value, "what is odd") % 2n !== 0n,
  even: (value) => wholeNumber(value, "what is even") % 2n === 0n,
};

const COMPARISONS: Readonly<Record<string, string>> = {
  equalto: "==",
  eq: "==",
  ne: "!=",
  lt: "<",
  lessthan: "<",
  le: "<=",
  gt: ">",
  greaterthan: ">",
  ge: ">=",
  in: "in",
};
const OPERATORS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);

/** @throws TemplateFault for a test that is not known */
export function applyTest(name: string, value: Value, args: readonly Value[] = []): boolean {
  const operator = OPERATORS.has(name) ? name : own(COMPARISONS, name);
  if (operator !== undefined && args.length === 1) return isTrue(operate(operator, value, args[0]));
  if (name === "divisibleby" && args.length === 1) return isEqual(operate("%", value, args[0]), 0n);
  const test = own(TESTS, name);
  if (!test || args.length > 0) return refuse(`the test ${name} is not known`);
  if (value instanceof Fields && (test === isSequence || test === isIterable || name === "mapping"))
    return refuse(`the test ${name} looks at a namespace`);
  return test(value);
}
