/** Attributes and items: those that Python has, none of JavaScript's own. */
import { refuse } from "./error.js";
import { callStringMethod, requireString, STRING_METHODS } from "./strings.js";
import {
  type Arguments,
  Callable,
  type Dict,
  DictView,
  Fields,
  isDict,
  isList,
  isNumber,
  type Key,
  numberLike,
  Tuple,
  typeName,
  type Value,
} from "./values.js";

const names = (list: string): ReadonlySet<string> => new Set(list.split(" "));

/** Methods that Python has and this interpreter does not support. */
const OTHER_STRING_METHODS = names(
  "casefold center encode expandtabs format format_map index isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper ljust maketrans rindex rjust swapcase translate zfill",
);
const OTHER_DICT_METHODS = names("clear copy fromkeys pop popitem setdefault update");
const LIST_METHODS = names("append clear copy count extend index insert pop remove reverse sort");

const DICT_METHODS: Readonly<Record<string, (dict: Dict, args: readonly Value[]) => Value>> = {
  get: (dict, [key, other = null]) => (isKey(key) && dict.has(key) ? dict.get(key) : other),
  items: (dict) => new DictView("dict_items", pairsOf(dict)),
  keys: (dict) => new DictView("dict_keys", [...dict.keys()]),
  values: (dict) => new DictView("dict_values", [...dict.values()]),
};

/** A dict's entries as tuples. */
export const pairsOf = (dict: Dict): Value[] => [...dict].map((pair) => Tuple.from<Value>(pair));

const isKey = (key: Value): key is Key => typeof key === "string" || typeof key === "bigint" || key === null;

/** `value.name`: a method takes precedence over a dict's key. */
export function attribute(value: Value, name: string): Value {
  checkName(value, name);
  const found = method(value, name);
  return found === undefined && isDict(value) ? value.get(name) : found;
}

/** `value[key]`: a dict's key takes precedence over a method. */
export function item(value: Value, key: Value): Value {
  if (typeof key === "string") checkName(value, key);
  const index = numberLike(key);
  if (isDict(value) && isKey(key) && value.has(key)) return value.get(key);
  if (typeof index === "bigint") return atIndex(value, index);
  // Python finds no such item, and Jinja then no attribute.
  if (key === undefined && (isDict(value) || isList(value))) return undefined;
  if (typeof key !== "string") return refuse(`it uses ${typeName(key)} as an index`);
  return method(value, key);
}

function atIndex(value: Value, index: bigint): Value {
  if (value === undefined) return refuse(`it reads item ${index} of undefined`);
  if (typeof value === "string") return Array.from(value).at(Number(index));
  return isList(value) ? value.at(Number(index)) : undefined;
}

function checkName(value: Value, name: string): void {
  if (name.startsWith("_")) refuse(`it reads ${JSON.stringify(name)}, which is forbidden`);
  if (value === undefined || value instanceof Callable || isNumber(value) || typeof value === "boolean")
    refuse(`it reads ${JSON.stringify(name)} of ${typeName(value)}`);
}

function method(value: Value, name: string): Value {
  if (value instanceof Fields) return value.attributes.get(name);
  if (typeof value === "string") {
    if (Object.hasOwn(STRING_METHODS, name)) return new Callable(name, (args) => callStringMethod(name, value, args));
    return OTHER_STRING_METHODS.has(name) ? unsupported(name, "a string") : undefined;
  }
  if (isDict(value)) {
    const found = Object.hasOwn(DICT_METHODS, name) ? DICT_METHODS[name] : undefined;
    if (found) return new Callable(name, (args) => found(value, positionals(name, args, name === "get" ? 2 : 0)));
    return OTHER_DICT_METHODS.has(name) ? unsupported(name, "a dict") : undefined;
  }
  return isList(value) && LIST_METHODS.has(name) ? unsupported(name, "a list") : undefined;
}

function unsupported(name: string, owner: string): never {
  return refuse(`${name}() of ${owner} is not supported`);
}

function positionals(name: string, { positional, named }: Arguments, most: number): readonly Value[] {
  return named.size > 0 || positional.length > most ? refuse(`unsupported arguments of ${name}()`) : positional;
}

/** @param path names joined by dots, an int for a list index; undefined or None for the item itself */
export function attributeGetter(path: Value, fallback?: Value): (value: Value) => Value {
  if (path === undefined || path === null) return (value) => value;
  const parts: Value[] = typeof path === "bigint" ? [path] : requireString(path).split(".").map(pathPart);
  return (value) => parts.reduce((found, part) => partOf(found, part, fallback), value);
}

const pathPart = (part: string): Value => (/^\d+$/.test(part) ? BigInt(part) : part);

function partOf(value: Value, part: Value, fallback: Value): Value {
  const found = item(value, part);
  return found === undefined && fallback !== undefined && fallback !== null ? fallback : found;
}
