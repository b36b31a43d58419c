import * as torch from "../../torch/index.js";
import { addLowRank, afterLinear, type LowRankFactors, lowRankLinear } from "../../torch/operators/index.js";
import { Dropout, Embedding, type ForwardContext, type Linear, Parameter } from "../nn/index.js";

/** A trained number that multiplies an update. */
class Factor {
  readonly parameter: Parameter;
  #read: { readonly tensor: torch.Tensor; readonly version: number; readonly value: number } | undefined;

  constructor({ dtype, device }: torch.Tensor) {
    this.parameter = Parameter.of(torch.keep(torch.ones([], { dtype, device })));
  }

  get tensor(): torch.Tensor {
    return this.parameter.tensor;
  }

  /** Whether it is trained at present, so that derivatives need it as a tensor. */
  get isTrained(): boolean {
    return this.tensor.requiresGrad;
  }

  /** Its value, read from the tensor's device once. */
  get value(): number {
    const { tensor } = this;
    torch.dependOn([tensor]);
    const { version } = tensor;
    if (this.#read?.tensor !== tensor || this.#read.version !== version)
      this.#read = { tensor, version, value: tensor.item() };
    return this.#read.value;
  }
}

/** The matrices of an update, A: [r, in], B: [out, r]. */
export interface LowRankMatrices {
  readonly a: torch.Tensor;
  readonly b: torch.Tensor;
}

/**
 * The trained low-rank update s·B·A of one weight, or c·s·B·A with a factor. A: [r, in], B: [out, r]. A method that computes A and B from
 * its parameters overrides `a` and `b`.
 *
 * Some starts take their product out of the base: W0 − s·B0·A0 + s·B·A. The base stays as it is here, and the update is that of twice the
 * rank, s·[B, −B0]·[A; A0], so that whatever merges, exports or shares the base is right without knowing of it.
 */
export class LowRank {
  readonly dropout: Dropout;
  #factor: Factor | undefined;
  /** A0 and −B0. */
  #removed: LowRankMatrices | undefined;

  constructor(
    /** The trained parameters: A, B, and with `lora_bias` a bias of B, [out]. */
    readonly parameters: { readonly a: Parameter; readonly b: Parameter; readonly bBias?: Parameter | undefined },
    private readonly ownScale: number,
    dropout: number,
  ) {
    this.dropout = new Dropout(dropout);
  }

  /** Releases what is its own; A and B belong to the module tree. */
  dispose(): void {
    this.#factor?.parameter.values.dispose();
    this.#release();
  }

  #release(): void {
    this.#removed?.a.dispose();
    this.#removed?.b.dispose();
  }

  /** Takes s·B0·A0 out of the base, in place of what was taken out before. */
  remove({ a, b }: LowRankMatrices): void {
    this.#release();
    const { dtype } = this;
    this.#removed = torch.noGrad(() => ({
      a: torch.keep(torch.clone(torch.castTo(a, dtype))),
      b: torch.keep(torch.neg(torch.castTo(b, dtype))),
    }));
  }

  /** A0 and −B0, if s·B0·A0 is taken out of the base. */
  get removed(): LowRankMatrices | undefined {
    return this.#removed;
  }

  get dtype(): torch.DType {
    return this.parameters.b.tensor.dtype;
  }

  /** A, or [A; A0]: [2r, in]. */
  get a(): torch.Tensor {
    const { tensor } = this.parameters.a;
    return this.#removed ? torch.cat([tensor, this.#removed.a], 0) : tensor;
  }

  /** B, or c·B while c is trained, or [B, −B0]: [out, 2r]. */
  get b(): torch.Tensor {
    const own = this.#scaled(this.parameters.b.tensor);
    return this.#removed ? torch.cat([own, this.#removed.b], 1) : own;
  }

  /** The bias of B, or c times it while c is trained. */
  get bBias(): torch.Tensor | undefined {
    const { bBias } = this.parameters;
    return bBias && this.#scaled(bBias.tensor);
  }

  #scaled(tensor: torch.Tensor): torch.Tensor {
    return this.#factor?.isTrained ? torch.mul(tensor, this.#factor.tensor) : tensor;
  }

  /** s, or c·s with a constant c: the same numbers as of a saved update with alpha·c. */
  get scale(): number {
    return this.#factor && !this.#factor.isTrained ? this.ownScale * this.#factor.value : this.ownScale;
  }

  /** c, if the update has a factor. */
  get factor(): number | undefined {
    return this.#factor?.value;
  }

  /** Gives the update, with B's bias, a factor c of 1 if it has none. @returns c, of shape [] */
  addFactor(): Parameter {
    this.#factor ??= new Factor(this.parameters.b.tensor);
    return this.#factor.parameter;
  }

  /** The tensors that the update is computed from. */
  get sources(): readonly torch.Tensor[] {
    const { a, b } = this.parameters;
    return [a.tensor, b.tensor, ...(this.#factor ? [this.#factor.tensor] : [])];
  }

  /** A, B and s, as operators take them. */
  get factors(): LowRankFactors {
    return { a: this.a, b: this.b, scale: this.scale };
  }

  /** The rank of the update, which is twice that of A and B if it has a part of the base taken out. */
  get rank(): number {
    return this.parameters.a.shape[0]! * (this.#removed ? 2 : 1);
  }

  /** A, B and s without what is taken out of the base. */
  get #trained(): LowRankFactors {
    if (!this.#removed) return this.factors;
    const { a, b } = this.parameters;
    return { a: a.tensor, b: this.#scaled(b.tensor), scale: this.scale };
  }

  /** y − s·(x·A0ᵀ)·B0ᵀ: what the layer computes from x without the part that is taken out of the base. y: [n, out] */
  withoutRemoved(y: torch.Tensor, x: torch.Tensor): torch.Tensor {
    return this.#removed ? addLowRank(y, x, { ...this.#removed, scale: this.scale }) : y;
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
    const { gain, branch } = options;
    // The dropout of the branch is not the base's.
    const factors = branch ? this.#trained : this.factors;
    const y = layer.apply(x, (operands) => lowRankLinear(x, operands, factors, options));
    const whole = branch && !gain ? this.withoutRemoved(y, x) : y;
    return this.#addBias(whole);
  }

  /** The same from the layer's own output, without dropout. base: [n, out] → [n, out]. */
  afterLinear(base: torch.Tensor, x: torch.Tensor, { bias }: Linear, gain?: torch.Tensor): torch.Tensor {
    const own = bias ? torch.castTo(bias.tensor, x.dtype) : null;
    return this.#addBias(afterLinear(base, x, this.factors, { gain, bias: own }));
  }

  /** base + s·(x·Aᵀ)·Bᵀ in the dtype of x, of what is trained alone. x: [n, in], base: [n, out]. */
  addTo(base: torch.Tensor, x: torch.Tensor): torch.Tensor {
    return this.#addBias(addLowRank(base, x, this.#trained));
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
  product(dtype: torch.DType = this.dtype): torch.Tensor {
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
