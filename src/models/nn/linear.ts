// Layers with a matrix: linear ones, y = x·Wᵀ + b, embedding tables, and output matrices that may be tied to one.

import * as torch from "../../torch/index.js";
import { type LinearOperands, linear, linears } from "../../torch/operators/index.js";
import type { ForwardContext } from "./context.js";
import { DerivedTensor, Module, Parameter } from "./module.js";

/**
 * An adapter that replaces a linear layer's product. It may use the layer's result: a bottleneck after a sub-layer's dense layer computes
 * `layer.base(x)` first, and comes before that sub-layer's dropout and residual connection.
 */
export interface LinearAdapter extends Module {
  /** x: [tokens, in] → [tokens, out] */
  forward(x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor;
}

/** y = x·Wᵀ + b with W: [out, in]. The weight is used in the input's dtype. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  /** Whether no loss depends on the layer. Its weight and bias are then buffers, and only an adapter can be trained. */
  readonly isUnused: boolean;
  declare readonly adapter: LinearAdapter | undefined;
  /** The weight in oneDNN's packed layout. */
  readonly #packed = new DerivedTensor();

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    options: {
      readonly bias?: boolean;
      /** Another module's weight to use; only that module has it in the tree. */
      readonly weight?: Parameter;
      /** Whether model files store the weight as [in, out], like GPT-2's `Conv1D`. */
      readonly isStoredTransposed?: boolean;
      readonly isUnused?: boolean;
    } = {},
  ) {
    super();
    this.isUnused = options.isUnused ?? false;
    const own = (name: string, shape: readonly number[]) =>
      this.isUnused
        ? this.buffer(name, torch.keep(torch.zeros(shape)))
        : this.hold(name, new Parameter(shape, options.isStoredTransposed && name === "weight"));
    this.weight = options.weight ?? own("weight", [outFeatures, inFeatures]);
    this.bias = options.bias === false ? undefined : own("bias", [outFeatures]);
  }

  /** x: [..., in] → [..., out] */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.adapter ? this.adapter.forward(x, this, context) : this.base(x);
  }

  /** The layer's output without its adapter. */
  base(x: torch.Tensor): torch.Tensor {
    return this.apply(x, (operands) => linear(x, operands));
  }

  /** Calls an operator with the layer's weight and bias, in the input's dtype. */
  apply(x: torch.Tensor, operator: (operands: LinearOperands) => torch.Tensor): torch.Tensor {
    const bias = this.bias ? torch.castTo(this.bias.tensor, x.dtype) : null;
    const packed = this.packedFor(x);
    return this.weight.values.use((weight) => operator({ weight, bias, packed }), x.dtype);
  }

  /** The weight in oneDNN's packed layout, if there is a copy in the input's dtype. */
  packedFor(x: torch.Tensor): torch.Tensor | null {
    const { values } = this.weight;
    if (!values.isDense || x.dtype !== values.dtype) return null;
    return this.#packed.find([values.tensor]) ?? null;
  }

  /**
   * Packs the weight into oneDNN's layout, which oneDNN would otherwise do for every product. The copy is used until the weight is replaced
   * or changed in place.
   */
  pack(): void {
    const { tensor: weight } = this.weight;
    if (this.#packed.find([weight])) return;
    this.#packed.make([weight], () => torch.reorderLinearWeight(weight));
  }

  protected override release(): void {
    this.#packed.dispose();
    super.release();
  }
}

/** Packs the linear layers of a model for inference, if that makes their products faster. */
export function packLinears(model: Module): void {
  const packable = torch.packableDtypes();
  for (const [, layer] of model.namedModules()) {
    if (!(layer instanceof Linear)) continue;
    const { isDense, dtype, device } = layer.weight.values;
    if (isDense && device === "cpu" && packable.includes(dtype)) layer.pack();
  }
}

/** A tensor for each element of a list. */
type TensorFor<List extends readonly unknown[]> = { readonly [Index in keyof List]: torch.Tensor };

/**
 * The outputs of several layers for the same input, such as query, key and value.
 * @param x [tokens, in]
 * @returns [tokens, out] for each layer
 */
export function projectTogether<const Layers extends readonly Linear[]>(
  layers: Layers,
  x: torch.Tensor,
  context: ForwardContext,
): TensorFor<Layers> {
  const products = (areAlike(layers, x) && productsTogether(layers, x)) || layers.map((of) => of.forward(x, context));
  return products as TensorFor<Layers>;
}

/** Whether the layers are plain products, with biases for all or none. */
function areAlike(layers: readonly Linear[], x: torch.Tensor): boolean {
  const isBiased = layers[0]?.bias !== undefined;
  return (
    layers.length > 1 &&
    layers.every((layer) => !layer.adapter && (layer.bias !== undefined) === isBiased && !layer.packedFor(x))
  );
}

/** All products in one call; undefined if it can't take one of the weights, or a gradient is needed. */
function productsTogether(layers: readonly Linear[], x: torch.Tensor): readonly torch.Tensor[] | undefined {
  const weights = layers.flatMap(({ weight }) => weight.values.operand(x.dtype) ?? []);
  const biases = layers.flatMap(({ bias }) => bias?.tensor ?? []);
  if (weights.length < layers.length || [x, ...weights, ...biases].some(({ requiresGrad }) => requiresGrad)) return;
  return linears(
    x,
    weights,
    biases.map((bias) => torch.castTo(bias, x.dtype)),
  );
}

/**
 * Splits the output of layers that a checkpoint stores fused.
 * @param x [tokens, sum of widths]
 * @returns [tokens, width] for each width
 */
export function partsOf<const Widths extends readonly number[]>(x: torch.Tensor, widths: Widths): TensorFor<Widths> {
  let end = 0;
  return widths.map((width) => {
    end += width;
    return torch.narrow(x, 1, end - width, width);
  }) as TensorFor<Widths>;
}

// Embeddings

/** An adapter that replaces an embedding's lookup. */
export interface EmbeddingAdapter extends Module {
  /** ids: [tokens] integers → [tokens, dim] */
  forward(ids: torch.Tensor, layer: Embedding, context: ForwardContext): torch.Tensor;
}

/** A table of vectors, [count, dim]. */
export class Embedding extends Module {
  readonly weight: Parameter;
  declare readonly adapter: EmbeddingAdapter | undefined;

  constructor(
    readonly count: number,
    readonly dim: number,
    /** The row of the padding token, which gets no gradient. */
    readonly padding?: number,
  ) {
    super();
    this.weight = this.parameter("weight", [count, dim]);
  }

  /** ids: [tokens] integers → [tokens, dim] */
  forward(ids: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.adapter ? this.adapter.forward(ids, this, context) : this.base(ids);
  }

  /** The lookup without the adapter. ids: [tokens] → [tokens, dim] */
  base(ids: torch.Tensor): torch.Tensor {
    const { values, computeDtype } = this.weight;
    return torch.castTo(values.rows(ids, this.padding), computeDtype ?? values.dtype);
  }

  /** Looks up ids in another table with the same padding row. table: [count, any] → [tokens, any] */
  rows(table: torch.Tensor, ids: torch.Tensor): torch.Tensor {
    return torch.embedding(table, ids, this.padding);
  }
}

/**
 * The output matrix of a language model, from hidden states to the vocabulary. It is part of the checkpoint, and `all-linear` excludes
 * it. If it is tied to the embeddings, it uses their table and adds no weight to the tree.
 */
export class OutputLinear extends Linear {
  constructor(
    inFeatures: number,
    outFeatures: number,
    /** The embeddings to tie it to. */
    readonly tied?: Embedding,
  ) {
    super(inFeatures, outFeatures, { bias: false, ...(tied && { weight: tied.weight }) });
  }
}
