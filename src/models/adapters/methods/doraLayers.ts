// The layers of DoRA and BiDoRA.
// Shapes: x [n, in], y [n, out], magnitude and norm [out] or [in] by the axis; of an embedding: ids [n], table [vocab, dim],
// magnitude [dim].

import * as torch from "../../../torch/index.js";
import {
  type Direction,
  directionBase,
  directionGain,
  directionNorm,
  directionNormByFormula,
  gainOf,
  linear,
  type MagnitudeAxis,
  type NormGradient,
} from "../../../torch/operators/index.js";
import {
  DerivedTensor,
  type Embedding,
  type ForwardContext,
  type Linear,
  type Parameter,
  type Weight,
} from "../../nn/index.js";
import type { Layer } from "../adapter.js";
import type { LowRank } from "../lowRank.js";
import { LowRankAdapter } from "../lowRankLayers.js";

/** The base class for both kinds of layers: the magnitude along an axis of the stored weight, and a norm that can be frozen. */
abstract class DoraAdapter<L extends Layer> extends LowRankAdapter {
  /** The part of ‖V‖² that is not trained, one for each magnitude. */
  protected readonly squaredBase: torch.Tensor;
  #frozenNorm: torch.Tensor | undefined;

  constructor(
    lowRank: LowRank,
    readonly magnitudeParameter: Parameter,
    readonly axis: MagnitudeAxis,
    readonly normGradient: NormGradient,
    weight: Weight,
  ) {
    super(lowRank);
    this.squaredBase = torch.scope(() => directionBase(weight.dense(), axis, this.magnitude.dtype));
  }

  protected override release(): void {
    this.squaredBase.dispose();
    super.release();
  }

  get magnitude(): torch.Tensor {
    return this.magnitudeParameter.tensor;
  }

  /** ‖V‖, one for each magnitude. */
  protected abstract computeNorm(layer: L): torch.Tensor;

  /** ‖V‖ with the gradient that `normGradient` asks for. */
  norm(layer: L): torch.Tensor {
    if (this.#frozenNorm) return this.#frozenNorm;
    const compute = () => this.computeNorm(layer);
    return this.normGradient === "detached" ? torch.noGrad(compute) : compute();
  }

  protected get isNormFrozen(): boolean {
    return this.#frozenNorm !== undefined;
  }

  override freezeNorm(layer: L): () => void {
    if (this.normGradient === "full") return () => {};
    this.#frozenNorm = this.norm(layer);
    return () => {
      this.#frozenNorm = undefined;
    };
  }

  /** m = ‖V‖, as PEFT starts: the first outputs are those of V. */
  override restart(layer: L): void {
    torch.noGrad(() => torch.scope(() => torch.copy_(this.magnitude, this.computeNorm(layer))));
  }

  /** (m / ‖V‖)·V */
  override mergedWeight(layer: L, dtype: torch.DType): torch.Tensor {
    const direction = this.lowRank.direction(layer, dtype);
    const summed = this.axis === "out" ? 1 : 0;
    const norm = torch.linalgVectorNorm(direction, 2, [summed]);
    const gain = torch.unsqueeze(gainOf(torch.castTo(this.magnitude, dtype), norm), summed);
    return torch.mul(direction, gain);
  }
}

/**
 * DoRA (arXiv 2402.09353) in its fast form: with V = W0 + s·B·A and g = m / ‖V‖,
 *
 *     axis out:  y = (x·W0ᵀ + s·(x·Aᵀ)·Bᵀ) ⊙ g + b
 *     axis in:   y = x'·W0ᵀ + s·(x'·Aᵀ)·Bᵀ + b,  x' = x ⊙ g
 *
 * so that no matrix of W0's size is made. Both multiply by g as z + z ⊙ (g − 1), which changes no bit of z where g is 1.
 * BiDoRA uses the same layer.
 */
export class DoraLinear extends DoraAdapter<Linear> {
  readonly #gain = new DerivedTensor();

  protected override release(): void {
    this.#gain.dispose();
    super.release();
  }

  protected computeNorm(layer: Linear): torch.Tensor {
    return layer.weight.values.use((weight) => directionNorm(this.#direction(weight), this.axis));
  }

  #direction(weight: torch.Tensor): Direction {
    return { weight, squaredBase: this.squaredBase, ...this.lowRank.factors };
  }

  forward(x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor {
    const gain = this.#gainFor(layer, context);
    const isDropped = this.lowRank.dropout.isActive(context);
    if (this.axis === "out" && !isDropped) return this.lowRank.linear(x, layer, { gain });
    const less = torch.castTo(torch.subScalar(gain, 1), x.dtype); // exactly zero at the start, when nothing must change
    if (isDropped) return this.#forwardDropped(x, torch.castTo(gain, x.dtype), less, layer, context);
    return this.lowRank.linear(torch.addcmul(x, x, less), layer);
  }

  /** With axis in, the gain comes before the layer's product. */
  override get followsLayer(): boolean {
    return this.axis === "out";
  }

  override afterLayer(base: torch.Tensor, x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor {
    return this.lowRank.afterLinear(base, x, layer, this.#gainFor(layer, context));
  }

  #gainFor(layer: Linear, context: ForwardContext): torch.Tensor {
    const compute = () => this.#computeGain(layer);
    if (!context.inference) return compute();
    const sources = [...this.lowRank.sources, this.magnitude];
    return this.#gain.find(sources) ?? this.#gain.make(sources, compute);
  }

  #computeGain(layer: Linear): torch.Tensor {
    const { magnitude, normGradient } = this;
    if (this.axis === "in" || this.isNormFrozen) return gainOf(magnitude, this.norm(layer));
    return layer.weight.values.use((weight) => directionGain(this.#direction(weight), magnitude, normGradient));
  }

  #base(x: torch.Tensor, layer: Linear): torch.Tensor {
    return this.lowRank.withoutRemoved(layer.base(x), x);
  }

  // With x̃ the dropped-out input, PEFT's formula: y = x·W0ᵀ + b + (g − 1)·(x̃·W0ᵀ) + g·s·(x̃·Aᵀ)·Bᵀ.
  #forwardDropped(
    x: torch.Tensor,
    gain: torch.Tensor,
    less: torch.Tensor,
    layer: Linear,
    context: ForwardContext,
  ): torch.Tensor {
    const dropped = this.lowRank.drop(x, context);
    if (this.axis === "in") {
      const input = torch.addcmul(x, dropped, less);
      return this.lowRank.addTo(this.#base(input, layer), torch.mul(dropped, gain));
    }
    const own = layer.apply(dropped, ({ weight }) => linear(dropped, { weight, bias: null }));
    const base = this.lowRank.withoutRemoved(own, dropped);
    const lowRank = torch.mul(this.lowRank.addTo(torch.zerosLike(base), dropped), gain);
    return torch.add(torch.addcmul(this.#base(x, layer), base, less), lowRank);
  }
}

/** DoRA of an embedding: one magnitude per dimension, with norms over the vocabulary. */
export class DoraEmbedding extends DoraAdapter<Embedding> {
  constructor(lowRank: LowRank, magnitude: Parameter, normGradient: NormGradient, table: Weight) {
    super(lowRank, magnitude, "in", normGradient, table);
  }

  forward(ids: torch.Tensor, layer: Embedding, _context: ForwardContext): torch.Tensor {
    const base = layer.base(ids);
    const gain = torch.castTo(gainOf(this.magnitude, this.norm(layer)), base.dtype);
    return torch.mul(this.lowRank.addRows(base, ids, layer), gain);
  }

  /** By the formula: the table is W0ᵀ of a linear layer, whose rows would not be contiguous, as the kernel requires. */
  protected computeNorm(layer: Embedding): torch.Tensor {
    const { squaredBase } = this;
    return layer.weight.values.use((table) =>
      directionNormByFormula({ weight: torch.t(table), squaredBase, ...this.lowRank.factors }, "out"),
    );
  }
}
