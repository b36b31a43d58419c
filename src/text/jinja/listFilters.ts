/** Jinja's filters on lists and dicts. */
import { attributeGetter, hashOf, sortKey, withoutCase } from "./attributes.js";
import { refuse } from "./fault.js";
import { pairsOf } from "./members.js";
import { operate } from "./operators.js";
import { compare } from "./order.js";
import { type Filter, parameters, plain } from "./parameters.js";
import { textOf } from "./repr.js";
import { type Arguments, isDict, isList, isTrue, itemsOf, kindOf, lengthOf, Once, type Value } from "./values.js";

const length = plain("length", lengthOf);

const orDefault: Filter = (value, args) => {
  const [other = "", always] = parameters("default", args, "default_value", "boolean");
  return value === undefined || (isTrue(always) && !isTrue(value)) ? other : value;
};

export const LIST_FILTERS: Readonly<Record<string, Filter>> = {
  length,
  count: length,
  default: orDefault,
  d: orDefault,
  list: plain("list", (value) => [...itemsOf(value)]),
  first: plain("first", (value) => (value instanceof Once ? value.take(1)[0] : itemsOf(value)[0])),
  last: plain("last", (value) =>
    value instanceof Once ? refuse("the filter last takes a list, not a generator") : itemsOf(value).at(-1),
  ),
  reverse: plain("reverse", reversed),
  join: (value, args) => {
    const [separator = "", attribute] = parameters("join", args, "d", "attribute");
    return itemsOf(value).map(attributeGetter(attribute)).map(textOf).join(textOf(separator));
  },
  items: plain("items", (value) => {
    if (value === undefined) return new Once([]);
    return isDict(value) ? new Once(pairsOf(value)) : refuse(`the filter items takes a dict, not ${kindOf(value)}`);
  }),
  sort: (value, args) => {
    const [reverse, cased, attribute] = parameters("sort", args, "reverse", "case_sensitive", "attribute");
    return sorted(itemsOf(value), sortKey(attribute, isTrue(cased)), isTrue(reverse));
  },
  dictsort: (value, args) => dictSorted(value, args),
  unique: (value, args) => {
    const [cased, attribute] = parameters("unique", args, "case_sensitive", "attribute");
    return new Once(unique(itemsOf(value), sortKey(attributeOf(attribute), isTrue(cased))));
  },
  min: (value, args) => extreme("min", value, args),
  max: (value, args) => extreme("max", value, args),
  sum: (value, args) => {
    const [attribute, start = 0n] = parameters("sum", args, "attribute", "start");
    return itemsOf(value)
      .map(attributeGetter(attribute))
      .reduce((sum, item) => operate("+", sum, item), start);
  },
};

function reversed(value: Value): Value {
  if (typeof value === "string") return Array.from(value).reverse().join("");
  const items = [...itemsOf(value)].reverse();
  return value instanceof Once ? items : new Once(items);
}

/** Items that come out even stay in their order, backwards too. */
function sorted(items: readonly Value[], key: (value: Value) => readonly Value[], isReverse: boolean): Value[] {
  const keyed = items.map((item) => ({ item, key: key(item) }));
  const sign = isReverse ? -1 : 1;
  return keyed.sort((a, b) => sign * compare(a.key, b.key)).map(({ item }) => item);
}

function dictSorted(value: Value, args: Arguments): Value {
  const [cased, by = "key", reverse] = parameters("dictsort", args, "case_sensitive", "by", "reverse");
  if (!isDict(value)) return refuse(`the filter dictsort takes a dict, not ${kindOf(value)}`);
  const place = ["key", "value"].indexOf(textOf(by));
  if (place === -1) return refuse('the filter dictsort sorts by "key" or "value"');
  const key = (pair: Value) => [isTrue(cased) ? partOf(pair, place) : withoutCase(partOf(pair, place))];
  return sorted(pairsOf(value), key, isTrue(reverse));
}

const partOf = (pair: Value, place: number): Value => (isList(pair) ? pair[place] : undefined);

/** One path alone: a comma in it is part of a name. */
const attributeOf = (path: Value): Value =>
  typeof path === "string" && path.includes(",") ? refuse("the filter unique takes one attribute") : path;

function unique(items: readonly Value[], key: (value: Value) => readonly Value[]): Value[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const hash = key(item).map(hashOf).join();
    const isNew = !seen.has(hash);
    seen.add(hash);
    return isNew;
  });
}

function extreme(filter: "min" | "max", value: Value, args: Arguments): Value {
  const [cased, attribute] = parameters(filter, args, "case_sensitive", "attribute");
  const key = sortKey(attributeOf(attribute), isTrue(cased));
  // Of items that come out even it is the first.
  return sorted(itemsOf(value), key, filter === "max")[0];
}
