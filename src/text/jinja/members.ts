/** What stands behind a dot or in square brackets: as Python has it, and nothing of JavaScript's own. */
import { refuse } from "./fault.js";
import { callStringMethod, STRING_METHODS } from "./strings.js";
import {
  type Arguments,
  Callable,
  type Dict,
  Fields,
  isDict,
  isList,
  isNumber,
  type Key,
  kindOf,
  numberLike,
  Tuple,
  type Value,
  View,
} from "./values.js";

const names = (list: string): ReadonlySet<string> => new Set(list.split(" "));

/** Python's methods that are there but not followed here. */
const OTHER_STRING_METHODS = names(
  "casefold center encode expandtabs format format_map index isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper ljust maketrans rindex rjust swapcase translate zfill",
);
const OTHER_DICT_METHODS = names("clear copy fromkeys pop popitem setdefault update");
const LIST_METHODS = names("append clear copy count extend index insert pop remove reverse sort");

const DICT_METHODS: Readonly<Record<string, (dict: Dict, args: readonly Value[]) => Value>> = {
  get: (dict, [key, other = null]) => (isKey(key) && dict.has(key) ? dict.get(key) : other),
  items: (dict) => new View("dict_items", pairsOf(dict)),
  keys: (dict) => new View("dict_keys", [...dict.keys()]),
  values: (dict) => new View("dict_values", [...dict.values()]),
};

/** A dict's keys with their values, as tuples. */
export const pairsOf = (dict: Dict): Value[] => [...dict].map((pair) => Tuple.from<Value>(pair));

const isKey = (key: Value): key is Key => typeof key === "string" || typeof key === "bigint" || key === null;

/** `value.name`: a method comes before a dict's own key. */
export function attribute(value: Value, name: string): Value {
  checkName(value, name);
  const found = method(value, name);
  return found === undefined && isDict(value) ? value.get(name) : found;
}

/** `value[key]`: a dict's own key comes before a method. */
export function item(value: Value, key: Value): Value {
  if (typeof key === "string") checkName(value, key);
  const index = numberLike(key);
  if (isDict(value) && isKey(key) && value.has(key)) return value.get(key);
  if (typeof index === "bigint") return atIndex(value, index);
  if (typeof key !== "string") return refuse(`it takes an item by ${kindOf(key)}`);
  return method(value, key);
}

function atIndex(value: Value, index: bigint): Value {
  if (value === undefined) return refuse(`it takes item ${index} of nothing (it is undefined)`);
  if (typeof value === "string") return Array.from(value).at(Number(index));
  return isList(value) ? value.at(Number(index)) : undefined;
}

function checkName(value: Value, name: string): void {
  if (name.startsWith("_")) refuse(`it looks at ${JSON.stringify(name)}, which no template may`);
  if (value === undefined) refuse(`it takes ${JSON.stringify(name)} of nothing (it is undefined)`);
  if (value instanceof Callable || isNumber(value) || typeof value === "boolean")
    refuse(`it takes ${JSON.stringify(name)} of ${kindOf(value)}`);
}

function method(value: Value, name: string): Value {
  if (value instanceof Fields) return value.attributes.get(name);
  if (typeof value === "string") {
    if (Object.hasOwn(STRING_METHODS, name)) return new Callable(name, (args) => callStringMethod(name, value, args));
    return OTHER_STRING_METHODS.has(name) ? unknown(name, "a text") : undefined;
  }
  if (isDict(value)) {
    const found = Object.hasOwn(DICT_METHODS, name) ? DICT_METHODS[name] : undefined;
    if (found) return new Callable(name, (args) => found(value, positionals(name, args, name === "get" ? 2 : 0)));
    return OTHER_DICT_METHODS.has(name) ? unknown(name, "a dict") : undefined;
  }
  return isList(value) && LIST_METHODS.has(name) ? unknown(name, "a list") : undefined;
}

function unknown(name: string, of: string): never {
  return refuse(`${name}() of ${of} is not known`);
}

function positionals(name: string, { positional, named }: Arguments, most: number): readonly Value[] {
  return named.size > 0 || positional.length > most ? refuse(`the arguments of ${name}() are not known`) : positional;
}
