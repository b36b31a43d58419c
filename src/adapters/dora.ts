// Shapes: x [n, in], y [n, out], magnitude and norm [out] or [in] by the axis.
import { castTo, type ForwardContext, type Linear, type LinearAdapter, Parameter } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { directionBase, directionNorm, gainOf, type MagnitudeAxis } from "./directionNorm.js";
import type { LowRank } from "./lowRank.js";

export type { MagnitudeAxis } from "./directionNorm.js";

/** Whether gradients flow through ‖V‖ (BiDoRA's reference), or take it as a constant (DoRA section 4.3, PEFT). */
export type NormGradient = "detached" | "full";

/**
 * DoRA (arXiv 2402.09353) in its fast form: with V = W0 + s·B·A and g = m / ‖V‖,
 *
 *     axis out:  y = (x·W0ᵀ + s·(x·Aᵀ)·Bᵀ) ⊙ g + b
 *     axis in:   y = x'·W0ᵀ + s·(x'·Aᵀ)·Bᵀ + b,  x' = x ⊙ g
 *
 * so that no matrix of W0's size is made. Both multiply by g as z + z ⊙ (g − 1), which changes no bit of z where g is 1.
 * BiDoRA uses the same layer.
 */
export class DoraLinear implements LinearAdapter {
  readonly magnitudeParameter: Parameter;
  readonly #squaredBase: torch.Tensor;
  readonly #gain = new GainCache();
  #heldNorm: torch.Tensor | undefined;

  constructor(
    readonly lowRank: LowRank,
    magnitude: torch.Tensor,
    readonly axis: MagnitudeAxis,
    readonly normGradient: NormGradient,
    weight: torch.Tensor,
  ) {
    this.magnitudeParameter = Parameter.of(magnitude);
    this.#squaredBase = directionBase(weight, axis, magnitude.dtype);
  }

  get magnitude(): torch.Tensor {
    return this.magnitudeParameter.tensor;
  }

  /** ‖V‖ along the axis, with the gradient that `normGradient` asks for. */
  norm(layer: Linear, differentiateTwice = false): torch.Tensor {
    if (this.#heldNorm) return this.#heldNorm;
    const compute = () => this.#computeNorm(layer.weight.tensor, differentiateTwice);
    return this.normGradient === "detached" ? torch.noGrad(compute) : compute();
  }

  #computeNorm(weight: torch.Tensor, differentiateTwice: boolean): torch.Tensor {
    const { a, b, scale } = this.lowRank;
    if (this.axis === "out" && !differentiateTwice) return torch.directionNorm(weight, this.#squaredBase, a, b, scale);
    return directionNorm(weight, this.#squaredBase, this.lowRank, this.axis);
  }

  /** Where ‖V‖ is a constant: keeps its present value while V is moved about, until the returned function is called. */
  holdNorm(layer: Linear): () => void {
    if (this.normGradient === "full") return () => {};
    this.#heldNorm = this.norm(layer);
    return () => {
      this.#heldNorm = undefined;
    };
  }

  forward(x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor {
    const isDropped = this.lowRank.dropout.isActive(context);
    if (this.axis === "out" && !isDropped && !context.differentiateTwice) return this.#forwardFused(x, layer, context);
    const gain = this.#gainFor(layer, context);
    const less = castTo(torch.subScalar(gain, 1), x.dtype); // exactly zero at the start, when nothing must change
    if (isDropped) return this.#forwardDropped(x, castTo(gain, x.dtype), less, layer, context);
    return this.axis === "out" ? this.#forwardOut(x, less, layer) : this.#forwardIn(x, less, layer, context);
  }

  /** The product comes first: the norm, which reads all of W0 for little arithmetic, then finds it in the cache. */
  #forwardFused(x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor {
    const base = torch.noGrad(() => layer.base(x));
    return this.lowRank.linear(x, layer, { gain: this.#gainFor(layer, context), base });
  }

  #gainFor(layer: Linear, context: ForwardContext): torch.Tensor {
    const compute = () => gainOf(this.magnitude, this.norm(layer, context.differentiateTwice));
    return context.inference ? this.#gain.get([this.lowRank.a, this.lowRank.b, this.magnitude], compute) : compute();
  }

  #forwardOut(x: torch.Tensor, less: torch.Tensor, layer: Linear): torch.Tensor {
    const direction = this.lowRank.addTo(layer.base(x), x);
    const scaled = layer.bias ? torch.sub(direction, castTo(layer.bias.tensor, x.dtype)) : direction;
    return torch.addcmul(direction, scaled, less);
  }

  #forwardIn(x: torch.Tensor, less: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor {
    const scaled = torch.addcmul(x, x, less);
    if (context.differentiateTwice) return this.lowRank.addTo(layer.base(scaled), scaled);
    return this.lowRank.linear(scaled, layer);
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
      return this.lowRank.addTo(layer.base(input), torch.mul(dropped, gain));
    }
    const base = product(dropped, layer);
    const lowRank = torch.mul(this.lowRank.addTo(torch.zerosLike(base), dropped), gain);
    return torch.add(torch.addcmul(layer.base(x), base, less), lowRank);
  }
}

/** x·W0ᵀ without the bias. */
function product(x: torch.Tensor, layer: Linear): torch.Tensor {
  return torch.linear(x, castTo(layer.weight.tensor, x.dtype));
}

/** Keeps one tensor until one that it was computed from is replaced or changes in place. */
class GainCache {
  #value: torch.Tensor | undefined;
  #sources: readonly (readonly [torch.Tensor, number])[] = [];

  get(sources: readonly torch.Tensor[], compute: () => torch.Tensor): torch.Tensor {
    const isFresh = sources.every(
      (source, i) => source === this.#sources[i]?.[0] && source.version === this.#sources[i]?.[1],
    );
    if (!this.#value || !isFresh) {
      this.#value?.dispose();
      this.#value = torch.keep(torch.noGrad(() => torch.scope(compute)));
      this.#sources = sources.map((source) => [source, source.version]);
    }
    return this.#value;
  }
}
