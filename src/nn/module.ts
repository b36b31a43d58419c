import type { Tensor } from "../torch/index.js";
import { Parameter } from "./parameter.js";

/**
 * A node of a model's tree. Children and parameters are registered under the names that checkpoints use, so that a path
 * such as `encoder.layer.0.attention.self.query` names the same thing here and in a file.
 */
export abstract class Module {
  /** What was put here from outside. Its parameters stand in the tree under this module's own path. */
  adapter: Module | undefined;
  readonly #modules = new Map<string, Module>();
  readonly #parameters = new Map<string, Parameter>();
  readonly #buffers = new Map<string, Parameter>();

  protected child<T extends Module>(name: string, module: T): T {
    this.#modules.set(name, module);
    return module;
  }

  protected parameter(name: string, shape: readonly number[]): Parameter {
    return this.hold(name, new Parameter(shape));
  }

  /** Takes in a parameter that is there already. */
  protected hold(name: string, parameter: Parameter): Parameter {
    this.#parameters.set(name, parameter);
    return parameter;
  }

  /** Takes in what a checkpoint may hold like a parameter, but nothing ever trains; `value` is what it is where none does. */
  protected buffer(name: string, value: Tensor): Parameter {
    const buffer = Parameter.of(value);
    this.#buffers.set(name, buffer);
    return buffer;
  }

  /** Parameters of this module alone, by name. */
  get ownParameters(): ReadonlyMap<string, Parameter> {
    return this.#parameters;
  }

  /** This module, its adapter and all below it, parents first, with their paths ("" for this one). */
  namedModules(path = ""): Generator<[string, Module]> {
    return this.#walk(path, true);
  }

  /** The same without adapters. */
  baseModules(): Generator<[string, Module]> {
    return this.#walk("", false);
  }

  *#walk(path: string, withAdapters: boolean): Generator<[string, Module]> {
    yield [path, this];
    if (withAdapters && this.adapter) yield* this.adapter.#walk(path, withAdapters);
    for (const [name, module] of this.#modules) yield* module.#walk(joined(path, name), withAdapters);
  }

  /** All parameters of the tree with their paths, those of adapters among them. */
  namedParameters(): Generator<[string, Parameter]> {
    return parametersOf(this.namedModules());
  }

  /** All buffers of the tree with their paths. */
  *namedBuffers(): Generator<[string, Parameter]> {
    for (const [path, module] of this.namedModules())
      for (const [name, buffer] of module.#buffers) yield [joined(path, name), buffer];
  }

  /** The parameters of the plain model: those that it has without adapters. */
  baseParameters(): Generator<[string, Parameter]> {
    return parametersOf(this.baseModules());
  }
}

function* parametersOf(modules: Iterable<[string, Module]>): Generator<[string, Parameter]> {
  for (const [path, module] of modules) {
    for (const [name, parameter] of module.ownParameters) yield [joined(path, name), parameter];
  }
}

const joined = (path: string, name: string): string => (path ? `${path}.${name}` : name);

/** True for a module's own path, and for all below it. */
export function isWithin(path: string, module: string): boolean {
  return path === module || path.startsWith(`${module}.`);
}

/** A numbered list of modules: `layer.0`, `layer.1`, … */
export class ModuleList<T extends Module> extends Module implements Iterable<T> {
  readonly items: readonly T[];

  constructor(items: readonly T[]) {
    super();
    this.items = items;
    for (const [index, item] of items.entries()) this.child(String(index), item);
  }

  /** The modules in their order. */
  [Symbol.iterator](): Iterator<T> {
    return this.items[Symbol.iterator]();
  }
}
