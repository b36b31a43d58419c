/** Jinja's filters, as far as chat templates use them, and those that apply others to items. */
import { own } from "../../common/collections.js";
import { attributeGetter } from "./attributes.js";
import { refuse } from "./fault.js";
import { LIST_FILTERS } from "./listFilters.js";
import { NUMBER_FILTERS } from "./numberFilters.js";
import { type Filter, parameters } from "./parameters.js";
import { stringOf } from "./strings.js";
import { applyTest } from "./tests.js";
import { TEXT_FILTERS } from "./textFilters.js";
import { type Arguments, isTrue, itemsOf, Once, type Value } from "./values.js";

const FILTERS: Readonly<Record<string, Filter>> = {
  ...TEXT_FILTERS,
  ...LIST_FILTERS,
  ...NUMBER_FILTERS,
  map: (value, args) => new Once(itemsOrNone(value).map(mapping(args))),
  select: (value, args) => chosen("select", value, args, { hasAttribute: false, wanted: true }),
  reject: (value, args) => chosen("reject", value, args, { hasAttribute: false, wanted: false }),
  selectattr: (value, args) => chosen("selectattr", value, args, { hasAttribute: true, wanted: true }),
  rejectattr: (value, args) => chosen("rejectattr", value, args, { hasAttribute: true, wanted: false }),
};

/** @throws TemplateFault for a filter that is not known */
export function applyFilter(name: string, value: Value, args: Arguments): Value {
  const filter = own(FILTERS, name);
  return filter ? filter(value, args) : refuse(`the filter ${name} is not known`);
}

/** An attribute of each item, or what a filter makes of it. */
function mapping(args: Arguments): (item: Value) => Value {
  const [name, ...positional] = args.positional;
  if (args.positional.length > 0) return (item) => applyFilter(stringOf(name), item, { ...args, positional });
  const [attribute, fallback = null] = parameters("map", args, "attribute", "default");
  return attributeGetter(attribute ?? refuse("the filter map takes an attribute or the name of a filter"), fallback);
}

function chosen(
  filter: string,
  value: Value,
  { positional, named }: Arguments,
  { hasAttribute, wanted }: { readonly hasAttribute: boolean; readonly wanted: boolean },
): Once {
  const [attribute, test, ...others] = hasAttribute ? positional : [undefined, ...positional];
  if (named.size > 0 || (hasAttribute && attribute === undefined))
    return refuse(`the arguments of the filter ${filter} are not known`);
  const get = attributeGetter(attribute);
  const passes = (item: Value) =>
    test === undefined ? isTrue(get(item)) : applyTest(stringOf(test), get(item), others);
  return new Once(itemsOrNone(value).filter((item) => passes(item) === wanted));
}

/** Jinja's filters that choose take what is false for an empty list. */
const itemsOrNone = (value: Value): readonly Value[] => (isTrue(value) ? itemsOf(value) : []);
