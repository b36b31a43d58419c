import { Parameter } from "./parameter.js";

/**
 * A node of a model's tree. Children and parameters are registered under the names that checkpoints use, so that a path
 * such as `encoder.layer.0.attention.self.query` names the same thing here and in a file.
 */
export abstract class Module {
  readonly #modules = new Map<string, Module>();
  readonly #parameters = new Map<string, Parameter>();

  protected child<T extends Module>(name: string, module: T): T {
    this.#modules.set(name, module);
    return module;
  }

  protected parameter(name: string, shape: readonly number[]): Parameter {
    const parameter = new Parameter(shape);
    this.#parameters.set(name, parameter);
    return parameter;
  }

  /** Parameters of this module alone, by name. */
  get ownParameters(): ReadonlyMap<string, Parameter> {
    return this.#parameters;
  }

  /** This module and all below it, parents first, with their paths ("" for this one). */
  *namedModules(path = ""): Generator<[string, Module]> {
    yield [path, this];
    for (const [name, module] of this.#modules) yield* module.namedModules(path ? `${path}.${name}` : name);
  }

  /** All parameters of the tree with their paths. */
  *namedParameters(): Generator<[string, Parameter]> {
    for (const [path, module] of this.namedModules()) {
      for (const [name, parameter] of module.ownParameters) yield [path ? `${path}.${name}` : name, parameter];
    }
  }
}

/** A numbered list of modules: `layer.0`, `layer.1`, … */
export class ModuleList<T extends Module> extends Module implements Iterable<T> {
  readonly items: readonly T[];

  constructor(items: readonly T[]) {
    super();
    this.items = items;
    for (const [index, item] of items.entries()) this.child(String(index), item);
  }

  [Symbol.iterator](): Iterator<T> {
    return this.items[Symbol.iterator]();
  }
}
