/** The functions and constants that every template has. None gives access to the program. */
import { refuse } from "./error.js";
import { requireString } from "./strings.js";
import {
  type Arguments,
  Callable,
  isDict,
  itemsOf,
  type Key,
  keyOf,
  Namespace,
  Range,
  requireSmallInt,
  type Value,
} from "./values.js";

/** The limit of Jinja's own sandbox. */
const MAX_RANGE = 100_000;

/** Functions that Jinja has and this interpreter does not support. */
const UNSUPPORTED = ["lipsum", "cycler", "joiner"];

/** @param now the time for `strftime_now()` */
export function globals(now: Date): Map<string, Value> {
  const functions: readonly Callable[] = [
    new Callable("raise_exception", ({ positional: [message] }) =>
      refuse(`the template says: ${requireString(message).replace(/[.!]$/, "")}`),
    ),
    new Callable("strftime_now", ({ positional: [format] }) => strftime(now, requireString(format))),
    new Callable("namespace", namespace),
    new Callable("range", ({ positional }) =>
      range(positional.map((value) => requireSmallInt(value, "a range bound"))),
    ),
    new Callable("dict", dict),
    ...UNSUPPORTED.map((name) => new Callable(name, () => refuse(`${name}() is not supported`))),
  ];
  const constants: [string, Value][] = [
    ["true", true],
    ["True", true],
    ["false", false],
    ["False", false],
    ["none", null],
    ["None", null],
  ];
  return new Map([...constants, ...functions.map((value) => [value.name, value] as const)]);
}

function namespace({ positional, named }: Arguments): Namespace {
  const [from] = positional;
  if (positional.length > 1 || (positional.length === 1 && !isDict(from)))
    return refuse("unsupported arguments of namespace()");
  const given = isDict(from) ? [...from].map(([key, value]) => [requireString(key), value] as const) : [];
  return new Namespace(new Map([...given, ...named]));
}

function dict({ positional, named }: Arguments): Value {
  const [from = []] = positional;
  if (positional.length > 1) return refuse("unsupported arguments of dict()");
  const pairs = isDict(from) ? [...from] : itemsOf(from).map(pairOf);
  return new Map<Key, Value>([...pairs, ...named]);
}

function pairOf(value: Value): [Key, Value] {
  const pair = itemsOf(value);
  return pair.length === 2 ? [keyOf(pair[0]), pair[1]] : refuse("an item of dict() is not a pair");
}

function range(bounds: readonly number[]): Range {
  const [start, stop, step = 1] = bounds.length === 1 ? [0, ...bounds] : bounds;
  if (start === undefined || stop === undefined || step === 0 || bounds.length > 3)
    return refuse("unsupported arguments of range()");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (count > MAX_RANGE) return refuse(`a range has ${count} numbers, more than ${MAX_RANGE}`);
  const numbers = Range.from(Array.from({ length: count }, (_, i) => BigInt(start + i * step))) as Range;
  return Object.assign(numbers, { start, stop, step });
}

const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");
const MONTHS = "January February March April May June July August September October November December".split(" ");

const padded = (number: number): string => String(number).padStart(2, "0");

const DIRECTIVES: Readonly<Record<string, (now: Date) => string>> = {
  a: (now) => (DAYS[now.getDay()] as string).slice(0, 3),
  A: (now) => DAYS[now.getDay()] as string,
  b: (now) => (MONTHS[now.getMonth()] as string).slice(0, 3),
  B: (now) => MONTHS[now.getMonth()] as string,
  d: (now) => padded(now.getDate()),
  H: (now) => padded(now.getHours()),
  I: (now) => padded(now.getHours() % 12 || 12),
  m: (now) => padded(now.getMonth() + 1),
  M: (now) => padded(now.getMinutes()),
  p: (now) => (now.getHours() < 12 ? "AM" : "PM"),
  S: (now) => padded(now.getSeconds()),
  y: (now) => padded(now.getFullYear() % 100),
  Y: (now) => String(now.getFullYear()),
  "%": () => "%",
};

/** Python's `strftime` in the C locale: names are English on every system. */
function strftime(now: Date, format: string): string {
  return format.replace(/%(.?)/gsu, (part, letter: string) => {
    const write = Object.hasOwn(DIRECTIVES, letter) ? DIRECTIVES[letter] : undefined;
    return write ? write(now) : refuse(`strftime_now() does not support ${JSON.stringify(part)}`);
  });
}
