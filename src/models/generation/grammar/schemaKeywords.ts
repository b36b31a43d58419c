// The keywords of a JSON Schema, checked.

import { BidoraError, isObject } from "../../../base/index.js";
import { type Bounds, literal } from "./literalRules.js";

export type SchemaObject = Readonly<Record<string, unknown>>;

/** Keywords that say nothing about which values are valid. */
export const ANNOTATIONS: readonly string[] = [
  ...["$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples"],
  ...["deprecated", "readOnly", "writeOnly"],
];

export const BOUNDS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];

/** The keywords that each type may have. */
export const KEYWORDS = {
  object: ["properties", "required", "additionalProperties", "propertyNames"],
  array: ["items", "prefixItems", "additionalItems", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "format"],
  number: BOUNDS,
  integer: BOUNDS,
  boolean: [],
  null: [],
} satisfies Record<string, readonly string[]>;

export type TypeName = keyof typeof KEYWORDS;

const TYPES = Object.keys(KEYWORDS) as TypeName[];

/** The types that a schema names, or the one that all of its keywords are for. */
export function typesOf(
  { type }: SchemaObject,
  keywords: readonly string[],
  path: readonly string[],
): readonly TypeName[] {
  if (type === undefined) {
    const unknown = keywords.find(
      (key) => !Object.values<readonly string[]>(KEYWORDS).some((own) => own.includes(key)),
    );
    if (unknown !== undefined) throw wrong([...path, unknown], "is not supported");
    const found = TYPES.find((one) => keywords.every((key) => (KEYWORDS[one] as readonly string[]).includes(key)));
    if (found === undefined) throw wrong(path, "has keywords of several types: give its type");
    return [found];
  }
  const given = Array.isArray(type) ? type : [type];
  if (given.length === 0 || !given.every((one) => TYPES.includes(one)))
    throw wrong([...path, "type"], `must be one or more of ${TYPES.join(", ")}`);
  return [...new Set(given as TypeName[])];
}

export function boundsOf(schema: SchemaObject, isInteger: boolean, path: readonly string[]): Bounds {
  const bound = (key: string, exclusive: string, step: number): number | undefined => {
    const [at, beyond] = [numberOf(schema, key, path), numberOf(schema, exclusive, path)];
    if (beyond !== undefined && !isInteger) throw wrong([...path, exclusive], `is supported for integers: use ${key}`);
    const within = beyond === undefined ? undefined : Number.isInteger(beyond) ? beyond + step : beyond;
    const all = [at, within].filter((one) => one !== undefined).map((one) => round(one, step));
    if (all.length === 0) return undefined;
    return step > 0 ? Math.max(...all) : Math.min(...all);
  };
  const round = (value: number, step: number): number => {
    if (!isInteger && !Number.isInteger(value))
      throw wrong(path, `has the bound ${value}; bounds of numbers must be whole`);
    const whole = step > 0 ? Math.ceil(value) : Math.floor(value);
    // Clamped, it would let through numbers that break the schema.
    if (whole * step > Number.MAX_SAFE_INTEGER)
      throw wrong(path, `has bounds beyond ${Number.MAX_SAFE_INTEGER * step}, which are not exact: give others`);
    return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, whole)) + 0;
  };
  const [least, most] = [bound("minimum", "exclusiveMinimum", 1), bound("maximum", "exclusiveMaximum", -1)];
  if ((least ?? Number.NEGATIVE_INFINITY) > (most ?? Number.POSITIVE_INFINITY))
    throw wrong(path, "has bounds that no number satisfies");
  return { least, most };
}

/** Those of several values that are of a type. @param type that the values must have, or undefined */
export function ofType(values: readonly unknown[], type: unknown, path: readonly string[]): readonly unknown[] {
  const types = type === undefined ? TYPES : typesOf({ type }, [], path);
  const fitting = values.filter((value) => types.some((one) => isOfType(value, one)));
  if (fitting.length === 0) throw wrong(path, "has no value of its type");
  return fitting;
}

/** The JSON texts of a value. */
export function constant(value: unknown): string {
  const parts = Array.isArray(value)
    ? value.map(constant)
    : isObject(value)
      ? Object.entries(value).map(([key, own]) => `${literal(`${JSON.stringify(key)}:`)} ws ${constant(own)}`)
      : [];
  if (parts.length === 0) return literal(JSON.stringify(value));
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  return `"${open}" ws ${parts.join(' "," ws ')} ws "${close}"`;
}

function isOfType(value: unknown, type: TypeName): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return type === "object" ? isObject(value) : typeof value === type;
}

function numberOf(schema: SchemaObject, key: string, path: readonly string[]): number | undefined {
  const value = schema[key];
  if (value !== undefined && typeof value !== "number") throw wrong([...path, key], "must be a number");
  return value;
}

/** The most that a count may be: larger ones would make grammars of hundreds of megabytes. */
const MOST_COUNT = 1000;

export function countOf(schema: SchemaObject, key: string, path: readonly string[]): number | undefined {
  const value = numberOf(schema, key, path);
  if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= MOST_COUNT))
    throw wrong([...path, key], `must be a whole number from 0 to ${MOST_COUNT}`);
  return value;
}

export function textsOf(value: unknown, path: readonly string[]): readonly string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
  throw wrong(path, "must be a list of names");
}

export function wrong(path: readonly string[], problem: string): BidoraError {
  const subject = path.length === 0 ? "The JSON schema" : `In the JSON schema, ${path.join(".")}`;
  return new BidoraError("JSON_SCHEMA", `${subject} ${problem}.`);
}

/** The keywords of a reference: a JSON pointer in a fragment. */
export function keysOfPointer(ref: string): string[] {
  const keys = ref.slice(1).split("/").slice(1);
  return keys.map((key) => unescaped(key).replaceAll("~1", "/").replaceAll("~0", "~"));
}

function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
