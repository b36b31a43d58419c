/** Checks of the library's arguments at run time, for callers who don't use TypeScript. */

import { own } from "./collections.js";
import { UsageError } from "./errors.js";
import { didYouMean, shown } from "./messages.js";
/** Looks at a value. @param subject names it in messages @throws UsageError that says what was expected, and what came */
export type Check = (value: unknown, subject: string) => void;

/** A check by what it takes: completes the sentence "finetune: config takes …". */
export const takes =
  (what: string, fits: (value: unknown) => boolean): Check =>
  (value, subject) => {
    if (!fits(value)) throw new UsageError(`${subject} takes ${what}; got ${shown(value)}.`);
  };

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const aText = takes("a text that is not empty", (value) => typeof value === "string" && value !== "");
/** What a column or a label may be called. */
export const aName = takes("a text", (value) => typeof value === "string");
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

/** One of the words. */
export const oneOf = (words: readonly string[]): Check => {
  const check = takes(`one of ${words.join(", ")}`, (value) => words.includes(value as string));
  return (value, subject) => {
    if (typeof value === "string" && !words.includes(value))
      throw new UsageError(`${subject} takes one of ${words.join(", ")}; got "${value}".${didYouMean(value, words)}`);
    check(value, subject);
  };
};

/** The same, or nothing. */
export const optional =
  (check: Check): Check =>
  (value, subject) => {
    if (value !== undefined) check(value, subject);
  };

/** A list, each part of which passes. @param what completes "takes …" */
export const listOf =
  (what: string, check: Check): Check =>
  (value, subject) => {
    if (!Array.isArray(value)) throw new UsageError(`${subject} takes ${what}; got ${shown(value)}.`);
    for (const [i, part] of value.entries()) check(part, `${subject}[${i}]`);
  };

export const names = listOf("a list of texts", aName);
export const texts = listOf("a list of texts", aText);

/** An object that has all of these, and perhaps more: what another call gives. @param what completes "takes …" */
export const having = (what: string, ...keys: readonly string[]): Check =>
  takes(what, (value) => isObject(value) && keys.every((key) => key in value && value[key] !== undefined));

/** An object of options: none but these, each as it should be. */
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

/** What ends a call, in its options. */
export const signal = optional(aSignal);

/** The arguments of a call: each by its name, with the value and what it must be. */
export function checkArguments(
  call: string,
  ...given: readonly (readonly [name: string, value: unknown, check: Check])[]
): void {
  for (const [name, value, check] of given) check(value, `${call}: ${name}`);
}
