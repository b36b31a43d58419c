/** What stands behind a dot or in square brackets: as Python has it, and nothing of JavaScript's own. */
import { refuse } from "./fault.js";
import { callStringMethod, STRING_METHODS } from "./strings.js";
import {
  type Arguments,
  Callable,
  type Dict,
  isDict,
  isList,
  kindOf,
  Namespace,
  numberLike,
  type Value,
} from "./values.js";

const names = (list: string): ReadonlySet<string> => new Set(list.split(" "));

/** Python's methods that are there but not followed here. */
const OTHER_STRING_METHODS = names(
  "casefold center count encode expandtabs find format format_map index isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper ljust maketrans partition removeprefix removesuffix rfind rindex rjust rpartition rsplit splitlines swapcase translate zfill",
);
const OTHER_DICT_METHODS = names("clear copy fromkeys pop popitem setdefault update");
const LIST_METHODS = names("append clear copy count extend index insert pop remove reverse sort");

const DICT_METHODS: Readonly<Record<string, (dict: Dict, args: readonly Value[]) => Value>> = {
  get: (dict, [key, other = null]) => (typeof key === "string" && dict.has(key) ? dict.get(key) : other),
  items: (dict) => [...dict],
  keys: (dict) => [...dict.keys()],
  values: (dict) => [...dict.values()],
};

/** `value.name`: a method comes before a dict's own key. */
export function attribute(value: Value, name: string): Value {
  checkName(value, name);
  const found = method(value, name);
  return found === undefined && isDict(value) ? value.get(name) : found;
}

/** `value[key]`: a dict's own key comes before a method. */
export function item(value: Value, key: Value): Value {
  const index = numberLike(key);
  if (typeof index === "number") {
    if (typeof value === "string") return Array.from(value).at(index);
    if (isList(value)) return value.at(index);
    if (value === undefined) return refuse(`it takes item ${index} of nothing (it is undefined)`);
    return undefined;
  }
  if (typeof key !== "string") return refuse(`it takes an item by ${kindOf(key)}`);
  checkName(value, key);
  if (isDict(value) && value.has(key)) return value.get(key);
  return method(value, key);
}

function checkName(value: Value, name: string): void {
  if (name.startsWith("_")) refuse(`it looks at ${JSON.stringify(name)}, which no template may`);
  if (value === undefined) refuse(`it takes ${JSON.stringify(name)} of nothing (it is undefined)`);
  if (value instanceof Callable || typeof value === "number" || typeof value === "boolean")
    refuse(`it takes ${JSON.stringify(name)} of ${kindOf(value)}`);
}

function method(value: Value, name: string): Value {
  if (value instanceof Namespace) return value.attributes.get(name);
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
