// A model's tree of modules, its parameters, and tensors derived from them.
import { BidoraError } from "../common/errors.js";
import * as torch from "../torch/index.js";
import { DenseWeight } from "./weights/dense.js";
import type { Weight } from "./weights/weight.js";

/** A matrix transposed, in row-major order: between a model file's layout and this program's. */
export const transposed = (matrix: torch.Tensor): torch.Tensor => torch.contiguous(torch.t(matrix));

/** Values of known shape in a module: empty until a checkpoint, an adapter or an initializer fills them. */
export class Parameter {
  #values: Weight | undefined;
  /** The dtype that layers compute with it in, where training keeps the values themselves in a more precise one. */
  computeDtype: torch.DType | undefined;

  constructor(
    readonly shape: readonly number[],
    /** Model files hold it transposed: [in, out] for [out, in]. */
    readonly isStoredTransposed = false,
  ) {}

  /** A parameter that holds `tensor` already. */
  static of(tensor: torch.Tensor): Parameter {
    const parameter = new Parameter(tensor.shape);
    parameter.fill(tensor);
    return parameter;
  }

  get isFilled(): boolean {
    return this.#values !== undefined;
  }

  /** The shape that it has in model files. */
  get storedShape(): readonly number[] {
    return this.isStoredTransposed ? this.shape.toReversed() : this.shape;
  }

  /** The values, however they are held. Throws when nothing has filled the parameter yet. */
  get values(): Weight {
    if (!this.#values)
      throw new BidoraError("PARAMETER_EMPTY", `A parameter of shape [${this.shape}] was used before it was loaded.`);
    return this.#values;
  }

  /** The values as a tensor. Throws when nothing has filled the parameter yet, and where its values are held in another form. */
  get tensor(): torch.Tensor {
    return this.values.tensor;
  }

  /** Takes a tensor, releasing the values before. Throws when the shape differs. */
  fill(tensor: torch.Tensor): void {
    const before = this.swapValues(new DenseWeight(tensor));
    if (before && !(before.isDense && before.tensor === tensor)) before.dispose();
  }

  /** Takes a tensor and returns the one before, still alive. Throws when the shape differs. */
  swap(tensor: torch.Tensor): torch.Tensor | undefined {
    return this.swapValues(new DenseWeight(tensor))?.tensor;
  }

  /** Takes values and returns those before, still alive. Throws when the shape differs. */
  swapValues(values: Weight): Weight | undefined {
    if (!torch.sameShape(values.shape, this.shape)) {
      throw new BidoraError("SHAPE", `expected shape [${this.shape}], got [${values.shape}]`);
    }
    const before = this.#values;
    this.#values = values;
    return before;
  }
}

/**
 * A node of a model's tree. Children and parameters are registered under the names that checkpoints use, so that a path
 * such as `encoder.layer.0.attention.self.query` names the same thing here and in a file.
 */
export abstract class Module {
  /** An adapter that was put here from outside. Its parameters are in the tree under this module's own path. */
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

  /** Registers a parameter that exists already. */
  protected hold(name: string, parameter: Parameter): Parameter {
    this.#parameters.set(name, parameter);
    return parameter;
  }

  /** Registers a tensor that a checkpoint may hold like a parameter, but that is never trained; `value` is its default. */
  protected buffer(name: string, value: torch.Tensor): Parameter {
    const buffer = Parameter.of(value);
    this.#buffers.set(name, buffer);
    return buffer;
  }

  /** Parameters of this module alone, by name. */
  get ownParameters(): ReadonlyMap<string, Parameter> {
    return this.#parameters;
  }

  /** The device of the plain model's parameters; the CPU before any is filled. */
  get device(): string {
    for (const [, parameter] of this.baseParameters()) if (parameter.isFilled) return parameter.values.device;
    return "cpu";
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

  /** Releases every tensor of the tree, which can't be used after that. */
  dispose(): void {
    for (const [, module] of this.namedModules()) module.release();
  }

  /** Releases this module's own tensors. */
  protected release(): void {
    for (const own of [this.#parameters, this.#buffers])
      for (const [, parameter] of own) if (parameter.isFilled) parameter.values.dispose();
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

/** A computed tensor that is kept until one of its sources is replaced or changes in place. */
export class DerivedTensor {
  #value: torch.Tensor | undefined;
  #sources: readonly (readonly [source: torch.Tensor, version: number])[] = [];

  /** The tensor that was computed last, if these are still its sources. */
  find(sources: readonly torch.Tensor[]): torch.Tensor | undefined {
    const isFresh = sources.every(
      (source, i) => source === this.#sources[i]?.[0] && source.version === this.#sources[i]?.[1],
    );
    return isFresh ? this.#value : undefined;
  }

  /** Releases the tensor that was computed last. */
  dispose(): void {
    this.#value?.dispose();
    this.#value = undefined;
    this.#sources = [];
  }

  /** Computes it again, unrecorded, and releases the one before. */
  make(sources: readonly torch.Tensor[], compute: () => torch.Tensor): torch.Tensor {
    this.#value?.dispose();
    this.#value = torch.keep(torch.noGrad(() => torch.scope(compute)));
    this.#sources = sources.map((source) => [source, source.version]);
    return this.#value;
  }
}
