import { refuse } from "./fault.js";
import { stringOf } from "./strings.js";
import { formatTime } from "./time.js";
import { type Arguments, Callable, isDict, Namespace, type Value, wholeNumber } from "./values.js";

/** Jinja's own limit in a sandbox. */
const MOST_NUMBERS = 100_000;

/** Names that Jinja knows but that are not followed here. */
const OTHERS = ["dict", "lipsum", "cycler", "joiner"];

/** What every template finds: nothing of it leads out. */
export function globals(now: Date): Map<string, Value> {
  const functions: readonly Callable[] = [
    new Callable("raise_exception", ({ positional: [message] }) =>
      refuse(`the template says: ${stringOf(message).replace(/[.!]$/, "")}`),
    ),
    new Callable("strftime_now", ({ positional: [format] }) => formatTime(now, stringOf(format))),
    new Callable("namespace", namespace),
    new Callable("range", ({ positional }) => range(positional.map((value) => wholeNumber(value, "a range's bound")))),
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
  return new Namespace(new Map([...(isDict(from) ? from : []), ...named]));
}

function range(bounds: readonly number[]): number[] {
  const [start, stop, step = 1] = bounds.length === 1 ? [0, ...bounds] : bounds;
  if (start === undefined || stop === undefined || step === 0 || bounds.length > 3)
    return refuse("the arguments of range() are not known");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (count > MOST_NUMBERS) return refuse(`a range of ${count} numbers is more than ${MOST_NUMBERS}`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}
