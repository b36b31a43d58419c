/** A model's graph under construction: its layers by path, with their weights as initializers. */

import { BidoraError } from "../../../../base/index.js";
import type { EmbeddingFormat } from "../../../../formats/index.js";
import { Bottleneck } from "../../../../models/adapters/index.js";
import type { TaskModel } from "../../../../models/index.js";
import {
  type ActivationKind,
  activationKind,
  Embedding,
  Linear,
  type Module,
  Norm,
  type Parameter,
  transposed,
} from "../../../../models/nn/index.js";
import * as torch from "../../../../torch/index.js";
import { GraphBuilder } from "./builder.js";
import type { Value } from "./graph.js";

/** Functions that compute parameters to write instead of the model's, by path. */
export type Changed = ReadonlyMap<string, () => torch.Tensor>;

/** Activations as primitive operators. */
const ACTIVATIONS: Readonly<Record<ActivationKind, (graph: GraphBuilder, x: Value) => Value>> = {
  /** x·Φ(x) = x/2·(1 + erf(x/√2)) */
  gelu: (g, x) => g.mul(g.mul(x, g.add(g.erf(g.div(x, Math.SQRT2)), 1)), 0.5),
  /** x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))) */
  geluTanh(g, x) {
    const cubed = g.mul(g.mul(g.mul(x, x), x), 0.044715);
    const inner = g.mul(g.add(x, cubed), Math.sqrt(2 / Math.PI));
    return g.mul(g.mul(x, g.add(g.tanh(inner), 1)), 0.5);
  },
  relu: (g, x) => g.relu(x),
  silu: (g, x) => g.mul(x, g.sigmoid(x)),
  tanh: (g, x) => g.tanh(x),
};

/** Builds the graph of a model. Weights are float32, and matrices of linear layers [in, out], as MatMul takes them. */
export class ModelGraph extends GraphBuilder {
  readonly #modules: ReadonlyMap<string, Module>;
  readonly #parameters: ReadonlyMap<string, Parameter>;

  constructor(
    readonly model: TaskModel,
    readonly changed: Changed,
    /** The path of the backbone in a model with a head, which all paths start from here. */
    readonly prefix: string,
    /** How token states become an embedding, in a model of sentence-transformers. */
    readonly embedding?: EmbeddingFormat,
  ) {
    super();
    this.#modules = new Map(model.baseModules());
    this.#parameters = new Map([...model.baseParameters(), ...model.namedBuffers()]);
  }

  /** A path in this model, whose backbone may be elsewhere: without the prefix if it has no head. */
  #own(path: string): string {
    const { prefix } = this.model;
    if (prefix === this.prefix || !path.startsWith(`${this.prefix}.`)) return path;
    const rest = path.slice(this.prefix.length + 1);
    return prefix === "" ? rest : `${prefix}.${rest}`;
  }

  has(path: string): boolean {
    return this.#parameters.has(this.#own(path));
  }

  /** The module at a path. @throws BidoraError `EXPORT` if there is none of this class */
  module<T extends Module>(path: string, kind: abstract new (...args: never[]) => T): T {
    const module = this.#modules.get(this.#own(path));
    if (module instanceof kind) return module;
    throw new BidoraError("EXPORT", `The model has no ${kind.name} at ${path}.`);
  }

  /** A parameter or a buffer. @param convert rearranges its values @param shape of the result */
  parameter(path: string, shape?: readonly number[], convert = (values: torch.Tensor) => values): Value {
    const parameter = this.#parameters.get(this.#own(path));
    if (!parameter) throw new BidoraError("EXPORT", `The model has no parameter ${path}.`);
    return this.valuesOf(path, parameter, shape, convert);
  }

  /** A parameter under any name. */
  valuesOf(
    name: string,
    parameter: Parameter,
    shape = parameter.shape,
    convert = (values: torch.Tensor) => values,
  ): Value {
    const values = this.changed.get(this.#own(name)) ?? (() => parameter.values.dense());
    return this.initializer({
      name,
      dtype: "float32",
      shape,
      tensor: () => convert(torch.castTo(values(), "float32")),
    });
  }

  /** x·Wᵀ + b, with what a bottleneck adapter adds. x: [..., in] → [..., out] */
  linear(path: string, x: Value): Value {
    const layer = this.module(path, Linear);
    const own = this.project(path, x);
    if (!(layer.adapter instanceof Bottleneck)) return own;
    const { down, up, nonLinearity } = layer.adapter;
    const narrowed = this.activate(nonLinearity, this.#dense(`${path}.adapter_down`, own, down));
    return this.add(own, this.#dense(`${path}.adapter_up`, narrowed, up));
  }

  /** x·Wᵀ + b */
  protected project(path: string, x: Value): Value {
    const { inFeatures, outFeatures, bias } = this.module(path, Linear);
    const product = this.matMul(x, this.parameter(`${path}.weight`, [inFeatures, outFeatures], transposed));
    return bias ? this.add(product, this.parameter(`${path}.bias`)) : product;
  }

  #dense(name: string, x: Value, layer: { readonly weight: Parameter; readonly bias: Parameter }): Value {
    const [out, inner] = layer.weight.shape as [number, number];
    const own = (key: string, shape: readonly number[], tensor: () => torch.Tensor) =>
      this.initializer({ name: `${name}.${key}`, dtype: "float32", shape, tensor });
    const values = (parameter: Parameter) => torch.castTo(parameter.tensor, "float32");
    const matrix = own("weight", [inner, out], () => transposed(values(layer.weight)));
    return this.add(
      this.matMul(x, matrix),
      own("bias", [out], () => values(layer.bias)),
    );
  }

  /** The norm of the last dimension. ONNX Runtime 1.17 crashes on a norm without a bias, so it gets one of zeros. x: [..., size] → the same */
  norm(path: string, x: Value): Value {
    const { size, bias, epsilon } = this.module(path, Norm);
    const own = bias ? this.parameter(`${path}.bias`) : this.constant(new Array<number>(size).fill(0));
    return this.layerNormalization(x, this.parameter(`${path}.weight`), own, epsilon);
  }

  /** Rows of a table. ids: int64 of any shape → [..., dim] */
  lookup(path: string, ids: Value): Value {
    this.module(path, Embedding);
    return this.gather(this.parameter(`${path}.weight`), ids);
  }

  /** An activation by its name in Hugging Face's configurations. @throws BidoraError `ACTIVATION` for an unknown name */
  activate(name: string, x: Value): Value {
    return ACTIVATIONS[activationKind(name)](this, x);
  }
}
