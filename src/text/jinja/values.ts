import { refuse } from "./fault.js";

/*
 * Values as Python has them: None is null, Jinja's undefined is undefined, an int is a bigint, a float is a number, a dict is a Map.
 * Where Python's own way with a value is not followed here, it is refused: a text that differs in silence would be worse than none.
 */
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
  | View
  | Once;

/** What can be a dict's key here. */
export type Key = string | bigint | null;

export type Dict = ReadonlyMap<Key, Value>;

/** Lists made from one of these are plain ones. */
class OwnList extends Array<Value> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

export class Tuple extends OwnList {}

/** What `range()` gives. */
export class Range extends OwnList {
  start = 0;
  stop = 0;
  step = 1;
}

/** What a dict's `items()`, `keys()` and `values()` give. */
export class View {
  constructor(
    readonly name: string,
    readonly items: readonly Value[],
  ) {}
}

/** A generator: what it has can be gone through once. */
export class Once {
  private taken = 0;

  constructor(private readonly items: readonly Value[]) {}

  take(most = this.items.length): readonly Value[] {
    const start = this.taken;
    this.taken = Math.min(this.items.length, start + most);
    return this.items.slice(start, this.taken);
  }
}

/** What has attributes alone, such as `loop`. */
export class Fields {
  constructor(readonly attributes: Map<string, Value>) {}
}

/** What `namespace()` gives: a template may set its attributes. */
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

const CLASSES: readonly (readonly [abstract new (...args: never) => object, string])[] = [
  [Tuple, "a tuple"],
  [Range, "a range"],
  [Array, "a list"],
  [Map, "a dict"],
  [Namespace, "a namespace"],
  [Fields, "a loop"],
  [Callable, "a function"],
  [View, "a view of a dict"],
  [Once, "a generator"],
];

/** As errors name it. */
export function kindOf(value: Value): string {
  if (value === undefined) return "nothing (it is undefined)";
  if (value === null) return "None";
  if (typeof value === "object") return CLASSES.find(([kind]) => value instanceof kind)?.[1] as string;
  return { boolean: "a truth value", bigint: "a whole number", number: "a float", string: "a text" }[
    typeof value as "bigint"
  ];
}

export function isTrue(value: Value): boolean {
  if (isList(value)) return value.length > 0;
  if (isDict(value)) return value.size > 0;
  return value instanceof View ? value.items.length > 0 : Boolean(value);
}

/** Python's `==`. */
export function isEqual(a: Value, b: Value): boolean {
  if (isList(a) && isList(b))
    return a.constructor === b.constructor && a.length === b.length && a.every((value, i) => isEqual(value, b[i]));
  if (isDict(a) && isDict(b))
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && isEqual(value, b.get(key)));
  const [x, y] = [numberLike(a), numberLike(b)];
  // JavaScript compares a bigint with a number by what they are worth, as Python does.
  // biome-ignore lint/suspicious/noDoubleEquals: both are numbers
  return isNumber(x) && isNumber(y) ? x == y : x === y;
}

/** True is 1 to Python, False is 0. */
export const numberLike = (value: Value): Value => (typeof value === "boolean" ? BigInt(value) : value);

export const isNumber = (value: Value): value is bigint | number =>
  typeof value === "bigint" || typeof value === "number";

export function wholeNumber(value: Value, what: string): bigint {
  const number = numberLike(value);
  return typeof number === "bigint" ? number : refuse(`${what} must be a whole number, but is ${kindOf(value)}`);
}

/** One that counts something in a template: places, widths, bounds. */
export function smallNumber(value: Value, what: string): number {
  const number = Number(wholeNumber(value, what));
  return Number.isSafeInteger(number) ? number : refuse(`${what} is ${number}, which is too large`);
}

/** What a dict can have for a key here. */
export function keyOf(value: Value): Key {
  if (typeof value === "string" || typeof value === "bigint" || value === null) return value;
  return refuse(`a dict has ${kindOf(value)} for a key, which is not known`);
}

/** What a loop goes through. */
export function itemsOf(value: Value): readonly Value[] {
  if (value === undefined) return [];
  if (typeof value === "string") return Array.from(value);
  if (isList(value)) return value;
  if (value instanceof View) return value.items;
  if (value instanceof Once) return value.take();
  return isDict(value) ? [...value.keys()] : refuse(`it goes through ${kindOf(value)}, which has no items`);
}

export function lengthOf(value: Value): bigint {
  if (isNumber(value) || typeof value === "boolean" || value === null || value instanceof Once)
    return refuse(`it takes the length of ${kindOf(value)}, which has none`);
  return BigInt(itemsOf(value).length);
}

/** Python's `in`. */
export function contains(container: Value, value: Value): boolean {
  if (typeof container === "string") {
    if (typeof value === "string") return container.includes(value);
    return refuse(`it looks for ${kindOf(value)} in a text`);
  }
  if (isDict(container) && (isDict(value) || (isList(value) && !(value instanceof Tuple) && !(value instanceof Range))))
    return refuse(`it looks for ${kindOf(value)} among a dict's keys`);
  return itemsOf(container).some((item) => isEqual(item, value));
}

/** Python's `a[start:stop:step]`. */
export function sliceOf(value: Value, bounds: readonly (number | undefined)[]): Value {
  if ((typeof value !== "string" && !isList(value)) || value instanceof Range)
    return refuse(`it takes a slice of ${kindOf(value)}`);
  const items: readonly Value[] = typeof value === "string" ? Array.from(value) : value;
  const picked = indicesOf(items.length, bounds).map((i) => items[i]);
  if (typeof value === "string") return picked.join("");
  return value instanceof Tuple ? Tuple.from(picked) : picked;
}

function indicesOf(length: number, [start, stop, step = 1]: readonly (number | undefined)[]): number[] {
  if (step === 0) return refuse("the step of a slice is 0");
  const [least, most] = step > 0 ? [0, length] : [-1, length - 1];
  const bound = (value: number | undefined, absent: number) =>
    value === undefined ? absent : Math.min(Math.max(value < 0 ? value + length : value, least), most);
  const [from, to] = step > 0 ? [bound(start, 0), bound(stop, length)] : [bound(start, length - 1), bound(stop, -1)];
  const indices: number[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) indices.push(i);
  return indices;
}
