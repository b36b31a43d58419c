/*
 * Python's values in JavaScript: None is null, Jinja's undefined is undefined, an int is a bigint, a float is a number, a dict is a
 * Map. Whatever does not behave here as in Python is refused: an error is better than a text that silently differs.
 */
import { refuse } from "./error.js";

export type Value =
  | undefined
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly Value[]
  | Dict
  | Fields
  | Callable
  | DictView
  | GeneratorValue
  | SafeString;

/** The dict keys that are supported. */
export type Key = string | bigint | null;

export type Dict = ReadonlyMap<Key, Value>;

/** A subclass of Array whose `map`, `filter` and `slice` return plain arrays. */
class ListSubclass extends Array<Value> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

export class Tuple extends ListSubclass {}

/** The result of `range()`. */
export class Range extends ListSubclass {
  start = 0;
  stop = 0;
  step = 1;
}

/** The result of a dict's `items()`, `keys()` or `values()`. */
export class DictView {
  constructor(
    readonly name: string,
    readonly items: readonly Value[],
  ) {}
}

/** A Python generator: its items can be read once. */
export class GeneratorValue {
  private taken = 0;

  constructor(private readonly items: readonly Value[]) {}

  take(count = this.items.length): readonly Value[] {
    const start = this.taken;
    this.taken = Math.min(this.items.length, start + count);
    return this.items.slice(start, this.taken);
  }
}

/** The result of the filter `safe`: what is added to it is escaped for HTML. */
export class SafeString {
  constructor(readonly text: string) {}
}

/** A value that has attributes and nothing else, such as `loop`. */
export class Fields {
  constructor(readonly attributes: Map<string, Value>) {}
}

/** The result of `namespace()`: a template may set its attributes. */
export class Namespace extends Fields {}

export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

export class Callable {
  constructor(
    readonly name: string,
    readonly call: (args: Arguments) => Value,
  ) {}
}

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);
export const isDict = (value: Value): value is Dict => value instanceof Map;

/**
 * A JavaScript value as a template sees it: integers become ints, other numbers floats, plain objects and Maps dicts. Entries that are
 * undefined are left out.
 * @param path names the value in errors
 * @throws TypeError for a value that no template can use
 */
export function toValue(value: unknown, path: string): Value {
  if (value === undefined || value === null) return value;
  if (typeof value === "boolean" || typeof value === "bigint" || typeof value === "string") return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map((item, i) => toValue(item, `${path}[${i}]`));
  const isPlain = typeof value === "object" && [Object.prototype, null].includes(Object.getPrototypeOf(value));
  if (!isPlain && !(value instanceof Map))
    throw new TypeError(`${path} must be a string, number, boolean, null, array, Map or plain object.`);
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const present = entries.filter(([, item]) => item !== undefined);
  return new Map(present.map(([key, item]) => [keyOf(toValue(key, path)), toValue(item, `${path}.${key}`)]));
}

const CLASSES: readonly (readonly [abstract new (...args: never) => object, string])[] = [
  [Tuple, "a tuple"],
  [Range, "a range"],
  [Array, "a list"],
  [Map, "a dict"],
  [Namespace, "a namespace"],
  [Fields, "the loop variable"],
  [Callable, "a function"],
  [DictView, "a dict view"],
  [GeneratorValue, "a generator"],
  [SafeString, "a safe string"],
];

/** The name of a value's type in errors. */
export function typeName(value: Value): string {
  if (value === undefined) return "undefined";
  if (value === null) return "None";
  if (typeof value === "object") return CLASSES.find(([type]) => value instanceof type)?.[1] as string;
  return { boolean: "a boolean", bigint: "an int", number: "a float", string: "a string" }[typeof value as "bigint"];
}

export function isTruthy(value: Value): boolean {
  if (isList(value)) return value.length > 0;
  if (isDict(value)) return value.size > 0;
  if (value instanceof SafeString) return value.text !== "";
  return value instanceof DictView ? value.items.length > 0 : Boolean(value);
}

/** Python's `==`. */
export function isEqual(a: Value, b: Value): boolean {
  if (a instanceof SafeString) return isEqual(a.text, b);
  if (b instanceof SafeString) return isEqual(a, b.text);
  if (isList(a) && isList(b))
    return a.constructor === b.constructor && a.length === b.length && a.every((value, i) => isEqual(value, b[i]));
  if (isDict(a) && isDict(b))
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && isEqual(value, b.get(key)));
  const [x, y] = [numberLike(a), numberLike(b)];
  // JavaScript's == compares a bigint and a number by value, as Python does.
  // biome-ignore lint/suspicious/noDoubleEquals: both are numbers
  return isNumber(x) && isNumber(y) ? x == y : x === y;
}

/** Booleans as numbers: in Python True is 1 and False is 0. Other values unchanged. */
export const numberLike = (value: Value): Value => (typeof value === "boolean" ? BigInt(value) : value);

export const isNumber = (value: Value): value is bigint | number =>
  typeof value === "bigint" || typeof value === "number";

export function requireInt(value: Value, what: string): bigint {
  const number = numberLike(value);
  return typeof number === "bigint" ? number : refuse(`${what} must be an int, but is ${typeName(value)}`);
}

/** An int for an index, a width or a bound. */
export function requireSmallInt(value: Value, what: string): number {
  const number = Number(requireInt(value, what));
  return Number.isSafeInteger(number) ? number : refuse(`${what} is ${number}, which is too large`);
}

export function keyOf(value: Value): Key {
  if (typeof value === "string" || typeof value === "bigint" || value === null) return value;
  return refuse(`${typeName(value)} as a dict key is not supported`);
}

/** The items that a loop over the value visits. */
export function itemsOf(value: Value): readonly Value[] {
  if (value === undefined) return [];
  if (typeof value === "string") return Array.from(value);
  if (isList(value)) return value;
  if (value instanceof DictView) return value.items;
  if (value instanceof GeneratorValue) return value.take();
  return isDict(value) ? [...value.keys()] : refuse(`${typeName(value)} is not iterable`);
}

export function lengthOf(value: Value): bigint {
  if (isNumber(value) || typeof value === "boolean" || value === null || value instanceof GeneratorValue)
    return refuse(`${typeName(value)} has no length`);
  return BigInt(itemsOf(value).length);
}

/** Python's `in`. */
export function contains(container: Value, value: Value): boolean {
  if (typeof container === "string") {
    if (typeof value === "string") return container.includes(value);
    return refuse(`it looks for ${typeName(value)} in a string`);
  }
  if (isDict(container) && (isDict(value) || (isList(value) && !(value instanceof Tuple) && !(value instanceof Range))))
    return refuse(`it looks for ${typeName(value)} among a dict's keys`);
  return itemsOf(container).some((item) => isEqual(item, value));
}

/** Python's `a[start:stop:step]`. */
export function sliceOf(value: Value, bounds: readonly (number | undefined)[]): Value {
  if ((typeof value !== "string" && !isList(value)) || value instanceof Range)
    return refuse(`it slices ${typeName(value)}`);
  const items: readonly Value[] = typeof value === "string" ? Array.from(value) : value;
  const picked = sliceIndices(items.length, bounds).map((i) => items[i]);
  if (typeof value === "string") return picked.join("");
  return value instanceof Tuple ? Tuple.from(picked) : picked;
}

function sliceIndices(length: number, [start, stop, step = 1]: readonly (number | undefined)[]): number[] {
  if (step === 0) return refuse("the step of a slice is 0");
  const [least, most] = step > 0 ? [0, length] : [-1, length - 1];
  const bound = (value: number | undefined, absent: number) =>
    value === undefined ? absent : Math.min(Math.max(value < 0 ? value + length : value, least), most);
  const [from, to] = step > 0 ? [bound(start, 0), bound(stop, length)] : [bound(start, length - 1), bound(stop, -1)];
  const indices: number[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) indices.push(i);
  return indices;
}

/** Python's order of two values: below 0 if `a` comes first. @throws TemplateError for values that Python does not order */
export function compare(a: Value, b: Value): number {
  const [x, y] = [numberLike(a), numberLike(b)];
  if (isNumber(x) && isNumber(y)) return Number(x > y) - Number(x < y);
  if (typeof a === "string" && typeof b === "string") return compareCodePoints(a, b);
  if (isList(a) && isList(b) && a.constructor === b.constructor && !(a instanceof Range)) return compareLists(a, b);
  return refuse(`${typeName(a)} and ${typeName(b)} have no order`);
}

function compareLists(a: readonly Value[], b: readonly Value[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    // Python orders only the first items that are not equal.
    if (!isEqual(a[i], b[i])) return compare(a[i], b[i]);
  }
  return a.length - b.length;
}

/** Python compares code points, JavaScript UTF-16 units. */
function compareCodePoints(a: string, b: string): number {
  let at = 0;
  while (at < a.length && at < b.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  if (at === Math.min(a.length, b.length)) return a.length - b.length;
  // After an equal high surrogate, the low surrogates have the order of the code points.
  return (a.codePointAt(at) as number) - (b.codePointAt(at) as number);
}
