import * as torch from "../../torch/index.js";
import { addLowRank, afterLinear, type LowRankFactors, lowRankLinear } from "../../torch/operators/index.js";
import { Dropout, Embedding, type ForwardContext, type Linear, type Parameter } from "../nn/index.js";

/** The trained low-rank update s·B·A of one weight. A: [r, in], B: [out, r]. */
export class LowRank {
  readonly dropout: Dropout;

  constructor(
    /** The trained parameters: A, B, and with `lora_bias` a bias of B, [out]. */
    readonly parameters: { readonly a: Parameter; readonly b: Parameter; readonly bBias?: Parameter | undefined },
    readonly scale: number,
    dropout: number,
  ) {
    this.dropout = new Dropout(dropout);
  }

  get a(): torch.Tensor {
    return this.parameters.a.tensor;
  }

  get b(): torch.Tensor {
    return this.parameters.b.tensor;
  }

  get bBias(): torch.Tensor | undefined {
    return this.parameters.bBias?.tensor;
  }

  /** A, B and s, as operators take them. */
  get factors(): LowRankFactors {
    return { a: this.a, b: this.b, scale: this.scale };
  }

  get rank(): number {
    return this.parameters.a.shape[0]!;
  }

  /**
   * (x·W0ᵀ + s·(x̃·Aᵀ)·Bᵀ) ⊙ g + b of a linear layer. x: [n, in] → [n, out].
   * @param options g, `gain`, is 1 and x̃, `branch`, is x unless given
   */
  linear(
    x: torch.Tensor,
    layer: Linear,
    options: { readonly gain?: torch.Tensor; readonly branch?: torch.Tensor } = {},
  ): torch.Tensor {
    return this.#addBias(layer.apply(x, (operands) => lowRankLinear(x, operands, this.factors, options)));
  }

  /** The same from the layer's own output, without dropout. base: [n, out] → [n, out]. */
  afterLinear(base: torch.Tensor, x: torch.Tensor, { bias }: Linear, gain?: torch.Tensor): torch.Tensor {
    const own = bias ? torch.castTo(bias.tensor, x.dtype) : null;
    return this.#addBias(afterLinear(base, x, this.factors, { gain, bias: own }));
  }

  /** base + s·(x·Aᵀ)·Bᵀ in the dtype of x. x: [n, in], base: [n, out]. */
  addTo(base: torch.Tensor, x: torch.Tensor): torch.Tensor {
    return this.#addBias(addLowRank(base, x, this.factors));
  }

  #addBias(y: torch.Tensor): torch.Tensor {
    return this.bBias ? torch.add(y, torch.castTo(this.bBias, y.dtype), { alpha: this.scale }) : y;
  }

  /** Rows of table + s·(B·A)ᵀ of an embedding: no dropout is applied, as in PEFT. base: [n, dim], ids: [n]. */
  addRows(base: torch.Tensor, ids: torch.Tensor, layer: Embedding): torch.Tensor {
    const reduced = torch.castTo(layer.rows(torch.t(this.a), ids), base.dtype); // n,r
    return torch.addmm(base, reduced, torch.t(torch.castTo(this.b, base.dtype)), { alpha: this.scale });
  }

  /** s·B·A, [out, in]; only merging and exporting build it. */
  product(dtype: torch.DType = this.a.dtype): torch.Tensor {
    return torch.mulScalar(torch.mm(torch.castTo(this.b, dtype), torch.castTo(this.a, dtype)), this.scale);
  }

  /** W0 + s·B·A in `dtype`, shaped as the layer's weight. */
  direction(layer: Linear | Embedding, dtype: torch.DType): torch.Tensor {
    const product = this.product(dtype);
    const update = layer instanceof Embedding ? torch.t(product) : product;
    return torch.add(layer.weight.values.dense(dtype), update);
  }

  /** s·b_B, [out], which merging adds to the layer's bias. */
  biasUpdate(dtype: torch.DType): torch.Tensor | undefined {
    const { bBias } = this;
    return bBias && torch.noGrad(() => torch.scope(() => torch.mulScalar(torch.castTo(bBias, dtype), this.scale)));
  }

  /** x̃, the input of the low-rank branch: x after dropout while training. */
  drop(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.dropout.forward(x, context);
  }
}
