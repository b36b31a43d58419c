import { castTo, Dropout, type ForwardContext, type Linear, Parameter } from "../nn/index.js";
import * as torch from "../torch/index.js";

/** The trained low-rank update s·B·A of one weight. A: [r, in], B: [out, r]. */
export class LowRank {
  readonly dropout: Dropout;
  /** The trained places: A, B, and with `lora_bias` a bias of B, [out]. */
  readonly parameters: { readonly a: Parameter; readonly b: Parameter; readonly bBias: Parameter | undefined };

  constructor(
    a: torch.Tensor,
    b: torch.Tensor,
    bBias: torch.Tensor | undefined,
    readonly scale: number,
    dropout: number,
  ) {
    this.parameters = { a: Parameter.of(a), b: Parameter.of(b), bBias: bBias && Parameter.of(bBias) };
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

  get rank(): number {
    return this.parameters.a.shape[0] as number;
  }

  /**
   * (x·W0ᵀ + s·(x̃·Aᵀ)·Bᵀ) ⊙ g + b of a linear layer as one operator, which has no second derivative. x: [n, in] → [n, out].
   * @param options g, `gain`, is 1 and x̃, `branch`, is x unless given; `base` is x·W0ᵀ + b where it is there already, and
   *   becomes the result
   */
  linear(
    x: torch.Tensor,
    layer: Linear,
    options: { readonly gain?: torch.Tensor; readonly branch?: torch.Tensor; readonly base?: torch.Tensor } = {},
  ): torch.Tensor {
    const weight = castTo(layer.weight.tensor, x.dtype);
    const bias = layer.bias ? castTo(layer.bias.tensor, x.dtype) : null;
    const { base = layer.isPacked ? layer.base(x) : undefined, ...others } = options;
    const y = base
      ? torch.lowRankLinear_(base, x, weight, bias, this.a, this.b, this.scale, others)
      : torch.lowRankLinear(x, weight, bias, this.a, this.b, this.scale, others);
    return this.#addBias(y);
  }

  /** base + s·(x·Aᵀ)·Bᵀ in the dtype of x. x: [n, in], base: [n, out]. */
  addTo(base: torch.Tensor, x: torch.Tensor): torch.Tensor {
    const reduced = torch.linear(x, castTo(this.a, x.dtype)); // n,r
    return this.#addBias(torch.addmm(base, reduced, torch.t(castTo(this.b, x.dtype)), { alpha: this.scale }));
  }

  #addBias(y: torch.Tensor): torch.Tensor {
    return this.bBias ? torch.add(y, castTo(this.bBias, y.dtype), { alpha: this.scale }) : y;
  }

  /** s·B·A, [out, in]; only merging and exporting build it. */
  product(): torch.Tensor {
    return torch.mulScalar(torch.mm(this.b, this.a), this.scale);
  }

  drop(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.dropout.forward(x, context);
  }
}

/** A as PEFT draws it (uniform in ±1/√in, Kaiming with a = √5), B zero: the update starts at nothing. */
export function drawLowRank(
  shape: { readonly out: number; readonly in: number; readonly rank: number },
  settings: {
    readonly scale: number;
    readonly dropout: number;
    readonly bBias: boolean;
    readonly dtype: torch.DType;
    readonly generator: torch.Generator;
  },
): LowRank {
  const bound = 1 / Math.sqrt(shape.in);
  const { dtype, generator } = settings;
  const a = torch.uniform_(torch.empty([shape.rank, shape.in], { dtype }), -bound, bound, { generator });
  const b = torch.zeros([shape.out, shape.rank], { dtype });
  const bBias = settings.bBias ? torch.zeros([shape.out], { dtype }) : undefined;
  return new LowRank(a, b, bBias, settings.scale, settings.dropout);
}
