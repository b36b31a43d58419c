/** Jinja's filters that chat templates use: those on lists and dicts, and the lookup of all. */
import { refuse } from "./error.js";
import { attributeGetter, pairsOf } from "./members.js";
import { operate } from "./operators.js";
import { str } from "./repr.js";
import { type Filter, parameters, plain, SCALAR_FILTERS } from "./scalarFilters.js";
import { requireString } from "./strings.js";
import { applyTest } from "./tests.js";
import {
  type Arguments,
  compare,
  GeneratorValue,
  isDict,
  isList,
  isNumber,
  isTruthy,
  itemsOf,
  lengthOf,
  numberLike,
  SafeString,
  Tuple,
  typeName,
  type Value,
} from "./values.js";

const length = plain("length", lengthOf);

const orDefault: Filter = (value, args) => {
  const [other = "", always] = parameters("default", args, "default_value", "boolean");
  return value === undefined || (isTruthy(always) && !isTruthy(value)) ? other : value;
};

const FILTERS: Readonly<Record<string, Filter>> = {
  ...SCALAR_FILTERS,
  length,
  count: length,
  default: orDefault,
  d: orDefault,
  safe: plain("safe", (value) => (value instanceof SafeString ? value : new SafeString(str(value)))),
  list: plain("list", (value) => [...itemsOf(value)]),
  first: plain("first", (value) => (value instanceof GeneratorValue ? value.take(1)[0] : itemsOf(value)[0])),
  last: plain("last", (value) =>
    value instanceof GeneratorValue
      ? refuse("the filter last needs a list, but has a generator")
      : itemsOf(value).at(-1),
  ),
  reverse: plain("reverse", reversed),
  join: (value, args) => {
    const [separator = "", attribute] = parameters("join", args, "d", "attribute");
    return itemsOf(value).map(attributeGetter(attribute)).map(str).join(str(separator));
  },
  items: plain("items", (value) => {
    if (value === undefined) return new GeneratorValue([]);
    return isDict(value)
      ? new GeneratorValue(pairsOf(value))
      : refuse(`the filter items needs a dict, but has ${typeName(value)}`);
  }),
  sort: (value, args) => {
    const [reverse, cased, attribute] = parameters("sort", args, "reverse", "case_sensitive", "attribute");
    return sorted(itemsOf(value), multiKey(attribute, isTruthy(cased)), isTruthy(reverse));
  },
  dictsort: (value, args) => dictSorted(value, args),
  unique: (value, args) => {
    const [cased, attribute] = parameters("unique", args, "case_sensitive", "attribute");
    return new GeneratorValue(unique(itemsOf(value), singleKey("unique", attribute, isTruthy(cased))));
  },
  min: (value, args) => extreme("min", value, args),
  max: (value, args) => extreme("max", value, args),
  sum: (value, args) => {
    const [attribute, start = 0n] = parameters("sum", args, "attribute", "start");
    return itemsOf(value)
      .map(attributeGetter(attribute))
      .reduce((sum, item) => operate("+", sum, item), start);
  },
  map: (value, args) => new GeneratorValue(itemsOrNone(value).map(mapping(args))),
  select: (value, args) => chosen("select", value, args, { hasAttribute: false, wanted: true }),
  reject: (value, args) => chosen("reject", value, args, { hasAttribute: false, wanted: false }),
  selectattr: (value, args) => chosen("selectattr", value, args, { hasAttribute: true, wanted: true }),
  rejectattr: (value, args) => chosen("rejectattr", value, args, { hasAttribute: true, wanted: false }),
};

/** @throws TemplateError for an unknown filter */
export function applyFilter(name: string, value: Value, args: Arguments): Value {
  const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
  if (value instanceof SafeString && name !== "safe" && name !== "default" && name !== "d")
    return name === "string" ? value : refuse(`the filter ${name} of a safe string is not supported`);
  return filter ? filter(value, args) : refuse(`unknown filter ${JSON.stringify(name)}`);
}

function reversed(value: Value): Value {
  if (typeof value === "string") return Array.from(value).reverse().join("");
  const items = [...itemsOf(value)].reverse();
  return value instanceof GeneratorValue ? items : new GeneratorValue(items);
}

type SortKey = (value: Value) => Value;

const foldCase = (value: Value, isCaseSensitive: boolean): Value =>
  typeof value === "string" && !isCaseSensitive ? value.toLowerCase() : value;

/** The values of several attributes, given with commas between them. */
function multiKey(attributes: Value, isCaseSensitive: boolean): SortKey {
  const paths = typeof attributes === "string" ? attributes.split(",") : [attributes];
  const getters = paths.map((path) => attributeGetter(path));
  return (value) => getters.map((get) => foldCase(get(value), isCaseSensitive));
}

/** The value of one attribute: Python fails to order two undefined ones, but not two lists that hold them. */
function singleKey(filter: string, attribute: Value, isCaseSensitive: boolean): SortKey {
  if (typeof attribute === "string" && attribute.includes(","))
    return refuse(`the filter ${filter} takes one attribute`);
  const get = attributeGetter(attribute);
  return (value) => foldCase(get(value), isCaseSensitive);
}

/** Equal items keep their order, in reverse too. */
function sorted(items: readonly Value[], key: SortKey, isReverse: boolean): Value[] {
  const keyed = items.map((item) => ({ item, key: key(item) }));
  const sign = isReverse ? -1 : 1;
  return keyed.sort((a, b) => sign * compare(a.key, b.key)).map(({ item }) => item);
}

function dictSorted(value: Value, args: Arguments): Value {
  const [cased, by = "key", reverse] = parameters("dictsort", args, "case_sensitive", "by", "reverse");
  if (!isDict(value)) return refuse(`the filter dictsort needs a dict, but has ${typeName(value)}`);
  const index = ["key", "value"].indexOf(str(by));
  if (index === -1) return refuse('the filter dictsort sorts by "key" or "value"');
  const part = (pair: Value): Value => (isList(pair) ? pair[index] : undefined);
  const key: SortKey = (pair) => foldCase(part(pair), isTruthy(cased));
  return sorted(pairsOf(value), key, isTruthy(reverse));
}

function unique(items: readonly Value[], key: SortKey): Value[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const hash = hashOf(key(item));
    const isNew = !seen.has(hash);
    seen.add(hash);
    return isNew;
  });
}

/** A string that is the same for two values exactly if a Python set holds one of them only. */
function hashOf(value: Value): string {
  const number = numberLike(value);
  if (isNumber(number)) return `${Number.isInteger(number) ? BigInt(number) : number}`;
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Tuple) return `(${value.map(hashOf).join()})`;
  if (value === null || value === undefined) return `${value}`;
  return refuse(`the filter unique cannot hash ${typeName(value)}`);
}

/** The first of several extreme items. */
function extreme(filter: "min" | "max", value: Value, args: Arguments): Value {
  const [cased, attribute] = parameters(filter, args, "case_sensitive", "attribute");
  const key = singleKey(filter, attribute, isTruthy(cased));
  const [first, ...others] = itemsOf(value).map((item) => ({ item, key: key(item) }));
  const sign = filter === "max" ? 1 : -1;
  return others.reduce((best, next) => (sign * compare(next.key, best?.key) > 0 ? next : best), first)?.item;
}

/** Reads an attribute of each item, or applies a filter to it. */
function mapping(args: Arguments): (item: Value) => Value {
  const [name, ...positional] = args.positional;
  if (args.positional.length > 0) return (item) => applyFilter(requireString(name), item, { ...args, positional });
  const [attribute, fallback = null] = parameters("map", args, "attribute", "default");
  return attributeGetter(attribute ?? refuse("the filter map needs an attribute or the name of a filter"), fallback);
}

function chosen(
  filter: string,
  value: Value,
  { positional, named }: Arguments,
  { hasAttribute, wanted }: { readonly hasAttribute: boolean; readonly wanted: boolean },
): GeneratorValue {
  const [attribute, test, ...others] = hasAttribute ? positional : [undefined, ...positional];
  if (named.size > 0 || (hasAttribute && attribute === undefined))
    return refuse(`unsupported arguments of the filter ${filter}`);
  const get = attributeGetter(attribute);
  const passes = (item: Value) =>
    test === undefined ? isTruthy(get(item)) : applyTest(requireString(test), get(item), others);
  return new GeneratorValue(itemsOrNone(value).filter((item) => passes(item) === wanted));
}

/** These filters treat any falsy value as an empty list. */
const itemsOrNone = (value: Value): readonly Value[] => (isTruthy(value) ? itemsOf(value) : []);
