import { refuse } from "./fault.js";

/*
 * Values as Python has them: None is null, Jinja's undefined is undefined, a dict is a Map. Numbers are whole. Where Python's own
 * way with a value is not followed here, it is refused: a text that differs in silence would be worse than none.
 */
export type Value = undefined | null | boolean | number | string | readonly Value[] | Dict | Namespace | Callable;

export type Dict = ReadonlyMap<string, Value>;

/** What `namespace()` gives: a template may set its attributes. */
export class Namespace {
  constructor(readonly attributes: Map<string, Value>) {}
}

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

/** As errors name it. */
export function kindOf(value: Value): string {
  if (value === undefined) return "nothing (it is undefined)";
  if (value === null) return "None";
  if (isList(value)) return "a list";
  if (isDict(value)) return "a dict";
  if (value instanceof Namespace) return "a namespace";
  if (value instanceof Callable) return "a function";
  return { boolean: "a truth value", number: "a number", string: "a text" }[typeof value as "boolean"];
}

export function isTrue(value: Value): boolean {
  if (isList(value)) return value.length > 0;
  if (isDict(value)) return value.size > 0;
  return Boolean(value);
}

/** Python's `str()`. */
export function textOf(value: Value): string {
  if (typeof value === "string") return value;
  if (value === undefined) return "";
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  return refuse(`it writes ${kindOf(value)} as a text, which only Python can spell`);
}

/** Python's `==`. */
export function isEqual(a: Value, b: Value): boolean {
  if (isList(a) && isList(b)) return a.length === b.length && a.every((value, i) => isEqual(value, b[i]));
  if (isDict(a) && isDict(b))
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && isEqual(value, b.get(key)));
  return numberLike(a) === numberLike(b);
}

/** True is 1 to Python, False is 0. */
export const numberLike = (value: Value): Value => (typeof value === "boolean" ? Number(value) : value);

export function wholeNumber(value: Value, what: string): number {
  const number = numberLike(value);
  return typeof number === "number" ? number : refuse(`${what} must be a whole number, but is ${kindOf(value)}`);
}

/** What a loop goes through. */
export function itemsOf(value: Value): readonly Value[] {
  if (value === undefined) return [];
  if (typeof value === "string") return Array.from(value);
  if (isList(value)) return value;
  return isDict(value) ? [...value.keys()] : refuse(`it goes through ${kindOf(value)}, which has no items`);
}

export function lengthOf(value: Value): number {
  if (typeof value === "number" || typeof value === "boolean" || value === null)
    return refuse("a number has no length");
  return itemsOf(value).length;
}

/** Python's `in`. */
export function contains(container: Value, value: Value): boolean {
  if (typeof container === "string") {
    if (typeof value === "string") return container.includes(value);
    return refuse(`it looks for ${kindOf(value)} in a text`);
  }
  return itemsOf(container).some((item) => isEqual(item, value));
}

/** Python's `a[start:stop:step]`. */
export function sliceOf(value: Value, bounds: readonly (number | undefined)[]): Value {
  if (typeof value !== "string" && !isList(value)) return refuse(`it takes a slice of ${kindOf(value)}`);
  const items: readonly Value[] = typeof value === "string" ? Array.from(value) : value;
  const picked = indicesOf(items.length, bounds).map((i) => items[i]);
  return typeof value === "string" ? picked.join("") : picked;
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
