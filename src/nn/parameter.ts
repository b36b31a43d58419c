import { BidoraError } from "../common/errors.js";
import { contiguous, type DType, sameShape, type Tensor, t } from "../torch/index.js";

/** A matrix turned round, in row-major order: as model files hold it to as it is here, and back. */
export const turned = (matrix: Tensor): Tensor => contiguous(t(matrix));

/** A tensor of known shape in a module: empty until a checkpoint, an adapter or an initialiser fills it. */
export class Parameter {
  #tensor: Tensor | undefined;
  /** What layers compute with it in, where training keeps the tensor itself in a more precise one. */
  computeDtype: DType | undefined;

  constructor(
    readonly shape: readonly number[],
    /** Model files hold it turned round: [in, out] for [out, in]. */
    readonly isStoredTransposed = false,
  ) {}

  /** A parameter that holds `tensor` already. */
  static of(tensor: Tensor): Parameter {
    const parameter = new Parameter(tensor.shape);
    parameter.fill(tensor);
    return parameter;
  }

  get isFilled(): boolean {
    return this.#tensor !== undefined;
  }

  /** The shape that it has in model files. */
  get storedShape(): readonly number[] {
    return this.isStoredTransposed ? this.shape.toReversed() : this.shape;
  }

  /** The tensor. Throws when nothing has filled it yet. */
  get tensor(): Tensor {
    if (!this.#tensor)
      throw new BidoraError("PARAMETER_EMPTY", `A parameter of shape [${this.shape}] was used before it was loaded.`);
    return this.#tensor;
  }

  /** Takes a tensor, releasing the one before. Throws when the shape differs. */
  fill(tensor: Tensor): void {
    const before = this.swap(tensor);
    if (before && before !== tensor) before.dispose();
  }

  /** Takes a tensor and returns the one before, still alive. Throws when the shape differs. */
  swap(tensor: Tensor): Tensor | undefined {
    if (!sameShape(tensor.shape, this.shape)) {
      throw new BidoraError("SHAPE", `expected shape [${this.shape}], got [${tensor.shape}]`);
    }
    const before = this.#tensor;
    this.#tensor = tensor;
    return before;
  }
}
