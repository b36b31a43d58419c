import { refuse } from "./fault.js";
import { Callable, type Value } from "./values.js";

/** What a loop's body finds as `loop`: one dict for the whole loop, as in Jinja. */
export class LoopVariable {
  private readonly entries: Map<string, Value>;

  constructor(private readonly items: readonly Value[]) {
    this.entries = new Map<string, Value>([
      ["length", items.length],
      // Loops inside loops are none the deeper: Jinja counts recursion alone.
      ["depth", 1],
      ["depth0", 0],
      ["cycle", new Callable("cycle", ({ positional }) => positional[this.index % positional.length])],
      ["changed", new Callable("changed", () => refuse("loop.changed() is not known"))],
    ]);
  }

  /** For one of the items. */
  at(i: number): Value {
    const { length } = this.items;
    return this.entries
      .set("index", i + 1)
      .set("index0", i)
      .set("revindex", length - i)
      .set("revindex0", length - i - 1)
      .set("first", i === 0)
      .set("last", i === length - 1)
      .set("previtem", this.items[i - 1])
      .set("nextitem", this.items[i + 1]);
  }

  private get index(): number {
    return this.entries.get("index0") as number;
  }
}
