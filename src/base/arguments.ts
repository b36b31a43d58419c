// Run-time checks of the library's arguments, for callers that don't use TypeScript.

import { own } from "./collections.js";
import { UsageError } from "./errors.js";
import { didYouMean, shown } from "./messages.js";
/** Checks a value. @param subject its name in messages @throws UsageError that says what was expected and what was given */
export type Check = (value: unknown, subject: string) => void;

/** A check that accepts the values for which `fits` is true. @param what completes the sentence "finetune: config takes …" */
export const takes =
  (what: string, fits: (value: unknown) => boolean): Check =>
  (value, subject) => {
    if (!fits(value)) throw new UsageError(`${subject} takes ${what}; got ${shown(value)}.`);
  };

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const aText = takes("a non-empty string", (value) => typeof value === "string" && value !== "");
/** The name of a column or a label, which may be empty. */
export const aName = takes("a string", (value) => typeof value === "string");
export const aNumber = takes("a number", (value) => typeof value === "number" && !Number.isNaN(value));
export const aWhole = takes(
  "a whole number of at least 1",
  (value) => Number.isInteger(value) && (value as number) > 0,
);
export const aSwitch = takes("true or false", (value) => typeof value === "boolean");
export const aFunction = takes("a function", (value) => typeof value === "function");
export const anObject = takes("an object", isObject);
export const aList = takes("a list", Array.isArray);
const aSignal = takes("an AbortSignal", (value) => value instanceof AbortSignal);

/** One of the given words. */
export const oneOf = (words: readonly string[]): Check => {
  const check = takes(`one of ${words.join(", ")}`, (value) => words.includes(value as string));
  return (value, subject) => {
    if (typeof value === "string" && !words.includes(value))
      throw new UsageError(`${subject} takes one of ${words.join(", ")}; got "${value}".${didYouMean(value, words)}`);
    check(value, subject);
  };
};

/** The same check, but undefined passes too. */
export const optional =
  (check: Check): Check =>
  (value, subject) => {
    if (value !== undefined) check(value, subject);
  };

/** A list whose elements all pass `check`. @param what completes "takes …" */
export const listOf =
  (what: string, check: Check): Check =>
  (value, subject) => {
    if (!Array.isArray(value)) throw new UsageError(`${subject} takes ${what}; got ${shown(value)}.`);
    for (const [i, part] of value.entries()) check(part, `${subject}[${i}]`);
  };

export const names = listOf("a list of strings", aName);
export const texts = listOf("a list of strings", aText);

/** An object with at least these keys, such as the result of another call. @param what completes "takes …" */
export const having = (what: string, ...keys: readonly string[]): Check =>
  takes(what, (value) => isObject(value) && keys.every((key) => key in value && value[key] !== undefined));

/** An object of options that has no other keys, and whose values pass their checks. */
export const options =
  (keys: Readonly<Record<string, Check>>): Check =>
  (value, subject) => {
    if (!isObject(value)) throw new UsageError(`${subject} takes an object; got ${shown(value)}.`);
    for (const key of Object.keys(value))
      if (!own(keys, key))
        throw new UsageError(`${subject} has no "${key}".${didYouMean(key, Object.keys(keys)) || known(keys)}`);
    for (const [key, check] of Object.entries(keys)) check(value[key], `${subject}.${key}`);
  };

const known = (keys: object): string => ` It takes ${Object.keys(keys).join(", ")}.`;

/** The option that cancels a call. */
export const signal = optional(aSignal);

/** Checks the arguments of a call, each given with its name, value and check. */
export function checkArguments(
  call: string,
  ...given: readonly (readonly [name: string, value: unknown, check: Check])[]
): void {
  for (const [name, value, check] of given) check(value, `${call}: ${name}`);
}
