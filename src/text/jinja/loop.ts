import { refuse } from "./fault.js";
import { Callable, type Value } from "./values.js";

/** What a loop's body finds as `loop`, for one of the items. */
export function loopVariable(items: readonly Value[], i: number): Value {
  const { length } = items;
  const entries: [string, Value][] = [
    ["index", i + 1],
    ["index0", i],
    ["revindex", length - i],
    ["revindex0", length - i - 1],
    ["first", i === 0],
    ["last", i === length - 1],
    ["length", length],
    ["previtem", items[i - 1]],
    ["nextitem", items[i + 1]],
    // Loops inside loops are none the deeper: Jinja counts recursion alone.
    ["depth", 1],
    ["depth0", 0],
    ["cycle", new Callable("cycle", ({ positional }) => positional[i % positional.length])],
    ["changed", new Callable("changed", () => refuse("loop.changed() is not known"))],
  ];
  return new Map(entries);
}
