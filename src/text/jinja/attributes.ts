/** What filters take of items: attributes by their path, and what stands for an item when items are compared. */
import { refuse } from "./fault.js";
import { item } from "./members.js";
import { stringOf } from "./strings.js";
import { isNumber, kindOf, numberLike, Tuple, type Value } from "./values.js";

export type Getter = (value: Value) => Value;

/** @param path names with dots between them, a number for a place in a list; undefined or None for the item itself */
export function attributeGetter(path: Value, fallback?: Value): Getter {
  if (path === undefined || path === null) return (value) => value;
  const parts: Value[] = typeof path === "bigint" ? [path] : stringOf(path).split(".").map(partOf);
  return (value) => parts.reduce((found, part) => partIn(found, part, fallback), value);
}

const partOf = (part: string): Value => (/^\d+$/.test(part) ? BigInt(part) : part);

function partIn(value: Value, part: Value, fallback: Value): Value {
  const found = item(value, part);
  return found === undefined && fallback !== undefined && fallback !== null ? fallback : found;
}

/** What items are compared by. @param attributes paths with commas between them */
export function sortKey(attributes: Value, isCaseSensitive: boolean): (value: Value) => readonly Value[] {
  const paths = typeof attributes === "string" ? attributes.split(",") : [attributes];
  const getters = paths.map((path) => attributeGetter(path));
  return (value) => getters.map((get) => (isCaseSensitive ? get(value) : withoutCase(get(value))));
}

export const withoutCase = (value: Value): Value => (typeof value === "string" ? value.toLowerCase() : value);

/** A text that two values have in common exactly where Python's sets take them for one. */
export function hashOf(value: Value): string {
  const number = numberLike(value);
  if (isNumber(number)) return `${Number.isInteger(number) ? BigInt(number) : number}`;
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Tuple) return `(${value.map(hashOf).join()})`;
  if (value === null || value === undefined) return `${value}`;
  return refuse(`the filter unique does not take ${kindOf(value)}`);
}
