import { refuse } from "./fault.js";
import { stringOf } from "./strings.js";
import { formatTime } from "./time.js";
import {
  type Arguments,
  Callable,
  isDict,
  itemsOf,
  type Key,
  keyOf,
  Namespace,
  Range,
  smallNumber,
  type Value,
} from "./values.js";

/** Jinja's own limit in a sandbox. */
const MOST_NUMBERS = 100_000;

/** Names that Jinja knows but that are not followed here. */
const OTHERS = ["lipsum", "cycler", "joiner"];

/** What every template finds: nothing of it leads out. */
export function globals(now: Date): Map<string, Value> {
  const functions: readonly Callable[] = [
    new Callable("raise_exception", ({ positional: [message] }) =>
      refuse(`the template says: ${stringOf(message).replace(/[.!]$/, "")}`),
    ),
    new Callable("strftime_now", ({ positional: [format] }) => formatTime(now, stringOf(format))),
    new Callable("namespace", namespace),
    new Callable("range", ({ positional }) => range(positional.map((value) => smallNumber(value, "a range's bound")))),
    new Callable("dict", dict),
    ...OTHERS.map((name) => new Callable(name, () => refuse(`the function ${name} is not known`))),
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
    return refuse("the arguments of namespace() are not known");
  const given = isDict(from) ? [...from].map(([key, value]) => [stringOf(key), value] as const) : [];
  return new Namespace(new Map([...given, ...named]));
}

function dict({ positional, named }: Arguments): Value {
  const [from = []] = positional;
  if (positional.length > 1) return refuse("the arguments of dict() are not known");
  const pairs = isDict(from) ? [...from] : itemsOf(from).map(pairOf);
  return new Map<Key, Value>([...pairs, ...named]);
}

function pairOf(value: Value): [Key, Value] {
  const pair = itemsOf(value);
  return pair.length === 2 ? [keyOf(pair[0]), pair[1]] : refuse("dict() is given what is no pair");
}

function range(bounds: readonly number[]): Range {
  const [start, stop, step = 1] = bounds.length === 1 ? [0, ...bounds] : bounds;
  if (start === undefined || stop === undefined || step === 0 || bounds.length > 3)
    return refuse("the arguments of range() are not known");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (count > MOST_NUMBERS) return refuse(`a range of ${count} numbers is more than ${MOST_NUMBERS}`);
  const numbers = Range.from(Array.from({ length: count }, (_, i) => BigInt(start + i * step))) as Range;
  return Object.assign(numbers, { start, stop, step });
}
