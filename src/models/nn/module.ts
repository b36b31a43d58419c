// A model's tree of modules, its parameters, and tensors derived from them.

import { BidoraError } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import { DenseWeight, type Weight } from "./weights/weight.js";

/** The contiguous transpose of a matrix, to convert between a model file's layout and ours. */
export const transposed = (matrix: torch.Tensor): torch.Tensor => torch.contiguous(torch.t(matrix));

let changes = 0;

/** How often adapters or the values of parameters of any model were replaced. */
export const changesOfModels = (): number => changes;

/** A module's parameter, with a fixed shape. It is empty until a checkpoint, an adapter or an initializer fills it. */
export class Parameter {
  #values: Weight | undefined;
  /** The dtype that layers cast it to, if its values are master weights in a more precise dtype. */
  computeDtype: torch.DType | undefined;

  constructor(
    readonly shape: readonly number[],
    /** Whether model files store it transposed, as [in, out] instead of [out, in]. */
    readonly isStoredTransposed = false,
  ) {}

  /** A parameter filled with `tensor`. */
  static of(tensor: torch.Tensor): Parameter {
    const parameter = new Parameter(tensor.shape);
    parameter.fill(tensor);
    return parameter;
  }

  get isFilled(): boolean {
    return this.#values !== undefined;
  }

  /** Its shape in model files. */
  get storedShape(): readonly number[] {
    return this.isStoredTransposed ? this.shape.toReversed() : this.shape;
  }

  /** The values in any representation. @throws BidoraError `PARAMETER_EMPTY` if the parameter is not filled */
  get values(): Weight {
    if (!this.#values)
      throw new BidoraError("PARAMETER_EMPTY", `A parameter of shape [${this.shape}] was used before it was loaded.`);
    return this.#values;
  }

  /** The tensor of dense values. @throws BidoraError `PARAMETER_EMPTY`, or as `Weight.tensor` */
  get tensor(): torch.Tensor {
    return this.values.tensor;
  }

  /** Sets the tensor and releases the previous values. @throws BidoraError `SHAPE` */
  fill(tensor: torch.Tensor): void {
    const before = this.swapValues(new DenseWeight(tensor));
    if (before && !(before.isDense && before.tensor === tensor)) before.dispose();
  }

  /** Sets the tensor and returns the previous one, which is not released. @throws BidoraError `SHAPE` */
  swap(tensor: torch.Tensor): torch.Tensor | undefined {
    return this.swapValues(new DenseWeight(tensor))?.tensor;
  }

  /** Sets the values and returns the previous ones, which are not released. @throws BidoraError `SHAPE` */
  swapValues(values: Weight): Weight | undefined {
    changes++;
    return this.lendValues(values);
  }

  /** The same for passes that have a variant of their own (see `KeyValueCache.among`), until the previous values are lent again. */
  lendValues(values: Weight): Weight | undefined {
    if (!torch.sameShape(values.shape, this.shape)) {
      throw new BidoraError("SHAPE", `expected shape [${this.shape}], got [${values.shape}]`);
    }
    const before = this.#values;
    this.#values = values;
    return before;
  }
}

/**
 * A node of a model's module tree. Children and parameters have the names that checkpoints use, so that a path such as
 * `encoder.layer.0.attention.self.query` is the same here and in a file.
 */
export abstract class Module {
  /** The adapter injected into this module. Its parameters are in the tree under this module's path. */
  readonly adapter: Module | undefined;
  readonly #modules = new Map<string, Module>();
  readonly #parameters = new Map<string, Parameter>();
  readonly #buffers = new Map<string, Parameter>();

  /** Injects an adapter in place of the one before; undefined for none. */
  setAdapter(adapter: this["adapter"]): void {
    changes++;
    (this as { adapter: Module | undefined }).adapter = adapter;
  }

  protected child<T extends Module>(name: string, module: T): T {
    this.#modules.set(name, module);
    return module;
  }

  protected parameter(name: string, shape: readonly number[]): Parameter {
    return this.hold(name, new Parameter(shape));
  }

  /** Registers an existing parameter. */
  protected hold(name: string, parameter: Parameter): Parameter {
    this.#parameters.set(name, parameter);
    return parameter;
  }

  /** Registers a tensor that is never trained but that a checkpoint may contain; `value` is its default. */
  protected buffer(name: string, value: torch.Tensor): Parameter {
    const buffer = Parameter.of(value);
    this.#buffers.set(name, buffer);
    return buffer;
  }

  /** The parameters of this module without its children, by name. */
  get ownParameters(): ReadonlyMap<string, Parameter> {
    return this.#parameters;
  }

  /** The device of the base model's parameters; the CPU while none is filled. */
  get device(): string {
    for (const [, parameter] of this.baseParameters()) if (parameter.isFilled) return parameter.values.device;
    return "cpu";
  }

  /** This module, its adapter and all descendants, parents first, with their paths ("" for this one). */
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

  /** All parameters of the tree, including those of adapters, with their paths. */
  namedParameters(): Generator<[string, Parameter]> {
    return parametersOf(this.namedModules());
  }

  /** All buffers of the tree with their paths. */
  *namedBuffers(): Generator<[string, Parameter]> {
    for (const [path, module] of this.namedModules())
      for (const [name, buffer] of module.#buffers) yield [joined(path, name), buffer];
  }

  /** Releases all tensors of the tree, which can no longer be used. */
  dispose(): void {
    for (const [, module] of this.namedModules()) module.release();
  }

  /** Releases this module's own tensors. */
  protected release(): void {
    for (const own of [this.#parameters, this.#buffers])
      for (const [, parameter] of own) if (parameter.isFilled) parameter.values.dispose();
  }

  /** The parameters of the base model, without those of adapters. */
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

/** Whether `path` is `module` or inside it. */
export function isWithin(path: string, module: string): boolean {
  return path === module || path.startsWith(`${module}.`);
}

/** Whether a path is one of these modules' or lies in one. */
export function isWithinAny(path: string, modules: readonly string[]): boolean {
  return modules.some((module) => isWithin(path, module));
}

/** A numbered list of modules: `layer.0`, `layer.1`, … */
export class ModuleList<T extends Module> extends Module implements Iterable<T> {
  readonly items: readonly T[];

  constructor(items: readonly T[]) {
    super();
    this.items = items;
    for (const [index, item] of items.entries()) this.child(String(index), item);
  }

  /** The modules in order. */
  [Symbol.iterator](): Iterator<T> {
    return this.items[Symbol.iterator]();
  }
}

/** A computed tensor that is kept until one of its sources is replaced or changed in place. */
export class DerivedTensor {
  #value: torch.Tensor | undefined;
  #sources: readonly (readonly [source: torch.Tensor, version: number])[] = [];

  /** The tensor computed last, if it is still valid for these sources. */
  find(sources: readonly torch.Tensor[]): torch.Tensor | undefined {
    const isFresh = sources.every(
      (source, i) => source === this.#sources[i]?.[0] && source.version === this.#sources[i]?.[1],
    );
    if (!isFresh || !this.#value) return undefined;
    torch.dependOn(sources);
    return this.#value;
  }

  /** Releases the tensor that was computed last. */
  dispose(): void {
    this.#value?.dispose();
    this.#value = undefined;
    this.#sources = [];
  }

  /** Computes the tensor without recording gradients, and releases the previous one. */
  make(sources: readonly torch.Tensor[], compute: () => torch.Tensor): torch.Tensor {
    this.#value?.dispose();
    this.#value = torch.keep(torch.noGrad(() => torch.scope(compute)));
    this.#sources = sources.map((source) => [source, source.version]);
    return this.#value;
  }
}
