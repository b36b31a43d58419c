/** Jinja's filters and tests, as far as chat templates use them. */
import { own } from "../../common/own.js";
import { refuse } from "./fault.js";
import { asciiOf, capitalized, jsonOf, replaced, stringOf, strip } from "./strings.js";
import {
  type Arguments,
  Callable,
  isDict,
  isEqual,
  isList,
  isTrue,
  itemsOf,
  kindOf,
  lengthOf,
  Namespace,
  numberLike,
  textOf,
  type Value,
  wholeNumber,
} from "./values.js";

type Filter = (value: Value, args: Arguments) => Value;

/** The values of parameters, given by place or by name. */
function parameters(filter: string, { positional, named }: Arguments, ...names: readonly string[]): Value[] {
  const unknown = [...named.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined || positional.length > names.length)
    return refuse(`the arguments of the filter ${filter} are not known`);
  return names.map((name, i) => (i < positional.length ? positional[i] : named.get(name)));
}

const plain =
  (name: string, apply: (value: Value) => Value): Filter =>
  (value, args) => {
    parameters(name, args);
    return apply(value);
  };

const length = plain("length", lengthOf);

const orDefault: Filter = (value, args) => {
  const [other = "", always] = parameters("default", args, "default_value", "boolean");
  return value === undefined || (isTrue(always) && !isTrue(value)) ? other : value;
};

const FILTERS: Readonly<Record<string, Filter>> = {
  trim: (value, args) => strip(textOf(value), parameters("trim", args, "chars")[0]),
  upper: plain("upper", (value) => textOf(value).toUpperCase()),
  lower: plain("lower", (value) => textOf(value).toLowerCase()),
  capitalize: plain("capitalize", (value) => capitalized(asciiOf(textOf(value)))),
  title: plain("title", (value) => asciiOf(textOf(value)).replace(/[^-\s({[<]+/g, capitalized)),
  replace: (value, args) => {
    const [old, by] = parameters("replace", args, "old", "new");
    return replaced(textOf(value), stringOf(old), stringOf(by));
  },
  string: plain("string", textOf),
  int: plain("int", (value) => {
    const number = typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
    return wholeNumber(number, "what the filter int takes");
  }),
  length,
  count: length,
  default: orDefault,
  d: orDefault,
  list: plain("list", itemsOf),
  first: plain("first", (value) => itemsOf(value)[0]),
  last: plain("last", (value) => itemsOf(value).at(-1)),
  join: (value, args) => {
    const [separator = ""] = parameters("join", args, "d");
    return itemsOf(value).map(textOf).join(textOf(separator));
  },
  items: plain("items", (value) => {
    if (value === undefined) return [];
    return isDict(value) ? [...value] : refuse(`the filter items takes a dict, not ${kindOf(value)}`);
  }),
  tojson: (value, args) => {
    const [indent, ascii] = parameters("tojson", { positional: [], named: args.named }, "indent", "ensure_ascii");
    if (args.positional.length > 0 || isTrue(ascii)) return refuse("the arguments of the filter tojson are not known");
    return jsonOf(value, indent === undefined || indent === null ? undefined : wholeNumber(indent, "an indent"));
  },
  selectattr: (value, args) => withAttribute("selectattr", value, args, true),
  rejectattr: (value, args) => withAttribute("rejectattr", value, args, false),
  map: (value, args) => {
    if (args.positional.length > 0) return refuse("the filter map is known with attribute= alone");
    const [attribute] = parameters("map", args, "attribute");
    return itemsOrNone(value).map((item) => attributeOf(item, attribute));
  },
};

/** @throws TemplateFault for a filter that is not known */
export function applyFilter(name: string, value: Value, args: Arguments): Value {
  const filter = own(FILTERS, name);
  return filter ? filter(value, args) : refuse(`the filter ${name} is not known`);
}

function withAttribute(filter: string, value: Value, { positional, named }: Arguments, wanted: boolean): Value {
  const [attribute, test, other] = positional;
  if (named.size > 0 || positional.length > 3) return refuse(`the arguments of the filter ${filter} are not known`);
  const passes = (found: Value) => {
    if (test === undefined) return isTrue(found);
    return applyTest(stringOf(test), found, positional.length > 2 ? [other] : []);
  };
  return itemsOrNone(value).filter((item) => passes(attributeOf(item, attribute)) === wanted);
}

/** Jinja's filters that choose take what is false for an empty list. */
const itemsOrNone = (value: Value): readonly Value[] => (isTrue(value) ? itemsOf(value) : []);

function attributeOf(item: Value, name: Value): Value {
  const key = stringOf(name);
  if (!isDict(item) || key.includes(".")) return refuse(`it takes the attribute ${key} of ${kindOf(item)}`);
  return item.get(key);
}

type Test = (value: Value) => boolean;

const isNumber: Test = (value) => typeof numberLike(value) === "number";
const isSequence: Test = (value) => value === undefined || typeof value === "string" || isList(value) || isDict(value);

const TESTS: Readonly<Record<string, Test>> = {
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  none: (value) => value === null,
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  true: (value) => value === true,
  false: (value) => value === false,
  number: isNumber,
  integer: (value) => typeof value === "number",
  mapping: isDict,
  sequence: isSequence,
  iterable: isSequence,
  callable: (value) => value instanceof Callable,
  odd: (value) => Math.abs(wholeNumber(value, "what is odd")) % 2 === 1,
  even: (value) => wholeNumber(value, "what is even") % 2 === 0,
};

const COMPARISONS: ReadonlySet<string> = new Set(["equalto", "eq", "=="]);

/** @throws TemplateFault for a test that is not known */
export function applyTest(name: string, value: Value, args: readonly Value[] = []): boolean {
  if (COMPARISONS.has(name) && args.length === 1) return isEqual(value, args[0]);
  const test = own(TESTS, name);
  if (!test || args.length > 0) return refuse(`the test ${name} is not known`);
  if (value instanceof Namespace && (test === isSequence || name === "mapping"))
    return refuse(`the test ${name} looks at a namespace`);
  return test(value);
}
