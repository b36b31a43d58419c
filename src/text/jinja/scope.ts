import type { Value } from "./values.js";

/** Variables by name: those of a block, and around it those of the blocks that it stands in. */
export class Scope {
  private readonly variables = new Map<string, Value>();

  constructor(private readonly outer?: Scope | ReadonlyMap<string, Value>) {}

  get(name: string): Value {
    return this.variables.has(name) ? this.variables.get(name) : this.outer?.get(name);
  }

  set(name: string, value: Value): void {
    this.variables.set(name, value);
  }
}
