/** Jinja's tests (`value is name`) that chat templates use. */
import { refuse } from "./error.js";
import { operate } from "./operators.js";
import {
  Callable,
  DictView,
  Fields,
  GeneratorValue,
  isDict,
  isEqual,
  isList,
  isNumber,
  isTruthy,
  numberLike,
  requireInt,
  SafeString,
  type Value,
} from "./values.js";

type Test = (value: Value) => boolean;

const isString: Test = (value) => typeof value === "string" || value instanceof SafeString;
const isSequence: Test = (value) => value === undefined || isString(value) || isList(value) || isDict(value);
const isIterable: Test = (value) => isSequence(value) || value instanceof DictView || value instanceof GeneratorValue;

const TESTS: Readonly<Record<string, Test>> = {
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  none: (value) => value === null,
  string: isString,
  boolean: (value) => typeof value === "boolean",
  true: (value) => value === true,
  false: (value) => value === false,
  number: (value) => isNumber(numberLike(value)),
  integer: (value) => typeof value === "bigint",
  float: (value) => typeof value === "number",
  mapping: isDict,
  sequence: isSequence,
  iterable: isIterable,
  // Jinja's undefined has `__call__`.
  callable: (value) => value === undefined || value instanceof Callable,
  odd: (value) => requireInt(value, "the operand of odd") % 2n !== 0n,
  even: (value) => requireInt(value, "the operand of even") % 2n === 0n,
};

/** Tests that are other names of an operator. */
const COMPARISONS: ReadonlyMap<string, string> = new Map([
  ...["==", "!=", "<", "<=", ">", ">=", "in"].map((operator) => [operator, operator] as const),
  ["equalto", "=="],
  ["eq", "=="],
  ["ne", "!="],
  ["lt", "<"],
  ["lessthan", "<"],
  ["le", "<="],
  ["gt", ">"],
  ["greaterthan", ">"],
  ["ge", ">="],
]);

/** @throws TemplateError for an unknown test */
export function applyTest(name: string, value: Value, args: readonly Value[] = []): boolean {
  const operator = COMPARISONS.get(name);
  if (operator !== undefined && args.length === 1) return isTruthy(operate(operator, value, args[0]));
  if (name === "divisibleby" && args.length === 1) return isEqual(operate("%", value, args[0]), 0n);
  const test = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined;
  if (!test || args.length > 0) return refuse(`unknown test ${JSON.stringify(name)}`);
  if (value instanceof Fields && (test === isSequence || test === isIterable || name === "mapping"))
    return refuse(`the test ${name} of a namespace or the loop variable is not supported`);
  return test(value);
}
