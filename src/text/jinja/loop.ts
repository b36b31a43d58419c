import { refuse } from "./fault.js";
import { Callable, Fields, type Value } from "./values.js";

/** What a loop's body finds as `loop`: one value for the whole loop, as in Jinja. */
export class LoopVariable {
  private readonly fields: Fields;

  constructor(private readonly items: readonly Value[]) {
    const fields: [string, Value][] = [
      ["length", BigInt(items.length)],
      // Loops inside loops are none the deeper: Jinja counts recursion alone.
      ["depth", 1n],
      ["depth0", 0n],
      ["cycle", new Callable("cycle", ({ positional }) => positional[this.index % positional.length])],
      ["changed", new Callable("changed", () => refuse("loop.changed() is not known"))],
    ];
    this.fields = new Fields(new Map(fields));
  }

  /** For one of the items. */
  at(i: number): Value {
    const { length } = this.items;
    this.fields.attributes
      .set("index", BigInt(i + 1))
      .set("index0", BigInt(i))
      .set("revindex", BigInt(length - i))
      .set("revindex0", BigInt(length - i - 1))
      .set("first", i === 0)
      .set("last", i === length - 1)
      .set("previtem", this.items[i - 1])
      .set("nextitem", this.items[i + 1]);
    return this.fields;
  }

  private get index(): number {
    return Number(this.fields.attributes.get("index0"));
  }
}
