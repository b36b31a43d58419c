import { BidoraError } from "../../../base/index.js";
import * as torch from "../../../torch/index.js";
import { checkpoint, usesKernel } from "../../../torch/operators/index.js";
import type { WeightFormat } from "./formats.js";

/**
 * A parameter's values, in any representation. Code that computes with a weight must not keep its dense values, since a weight may have
 * to decode them for each use.
 */
export interface Weight {
  readonly shape: readonly number[];
  /** The dtype of the values, independent of their representation. */
  readonly dtype: torch.DType;
  readonly device: string;
  /** The memory of the values in bytes. */
  readonly bytes: number;
  /** Whether the values are a plain tensor. Only such a weight can be trained. */
  readonly isDense: boolean;

  /** The tensor of a dense weight. @throws BidoraError `QUANTIZED` for other weights */
  readonly tensor: torch.Tensor;

  /** All values in `dtype`, by default the weight's: its tensor if it has that dtype, otherwise a copy. Without gradients. */
  dense(dtype?: torch.DType): torch.Tensor;

  /** What our operators take in this dtype for as long as the weight lives, if there is such a tensor. */
  operand(dtype: torch.DType): torch.Tensor | undefined;

  /**
   * Calls `body` with all values in `dtype`, by default the weight's. Gradients flow to the other operands of `body`'s operators. Decoded
   * values live only while `body` runs; the backward pass decodes them again and repeats `body`'s operator calls.
   */
  use<T extends torch.Tensor | readonly torch.Tensor[]>(body: (values: torch.Tensor) => T, dtype?: torch.DType): T;

  /** `count` rows in order, [count, in], in the weight's dtype. Without gradients. */
  slice(start: number, count: number): torch.Tensor;

  /**
   * Looks up rows.
   * @param ids [n] integers
   * @param padding the row that gets no gradient
   * @returns [n, any], in the weight's dtype
   */
  rows(ids: torch.Tensor, padding?: number): torch.Tensor;

  /** Releases the memory. */
  dispose(): void;
}

/** A plain tensor, which operators use directly or cast to their dtype. Gradients flow to it. */
export class DenseWeight implements Weight {
  readonly isDense = true;

  constructor(readonly tensor: torch.Tensor) {}

  get shape(): readonly number[] {
    return this.tensor.shape;
  }

  get dtype(): torch.DType {
    return this.tensor.dtype;
  }

  get device(): string {
    return this.tensor.device;
  }

  get bytes(): number {
    return this.tensor.nbytes;
  }

  dense(dtype = this.dtype): torch.Tensor {
    return torch.castTo(this.tensor, dtype);
  }

  operand(dtype: torch.DType): torch.Tensor | undefined {
    return dtype === this.dtype ? this.tensor : undefined;
  }

  use<T>(body: (values: torch.Tensor) => T, dtype = this.dtype): T {
    return body(torch.castTo(this.tensor, dtype));
  }

  slice(start: number, count: number): torch.Tensor {
    return torch.noGrad(() => torch.narrow(this.tensor, 0, start, count));
  }

  rows(ids: torch.Tensor, padding?: number): torch.Tensor {
    return torch.embedding(this.tensor, ids, padding);
  }

  dispose(): void {
    this.tensor.dispose();
  }
}

/**
 * A frozen matrix in a quantization format. Its values are the decoded ones, rounded to the weight's dtype. Products decode them piece by
 * piece; other operators decode the whole matrix for a moment.
 */
export class PackedWeight implements Weight {
  readonly isDense = false;
  /** What operators take. Its dtype is the weight's, or float32 for dtypes that can't be decoded to. */
  readonly #operand: torch.Tensor;

  /**
   * @param shape [out, in]
   * @param dtype of the values
   * @param parts the tensors that `torch.packedWeight` takes for the format, which the weight then owns
   * @param block its block sizes
   */
  constructor(
    readonly format: WeightFormat,
    readonly shape: readonly number[],
    readonly dtype: torch.DType,
    readonly parts: readonly torch.Tensor[],
    readonly block: readonly number[] = [],
  ) {
    const decoded = dtype === "bfloat16" ? dtype : "float32";
    this.#operand = torch.keep(torch.packedWeight(parts, format.name, block, shape, decoded));
  }

  get device(): string {
    return this.parts[0]!.device;
  }

  get bytes(): number {
    return this.parts.reduce((sum, { nbytes }) => sum + nbytes, 0);
  }

  get tensor(): never {
    throw new BidoraError(
      "QUANTIZED",
      `A weight of shape [${this.shape}] is packed as ${this.format.name}, but a dense tensor is needed here: load the model with baseDtype "float32" or "bfloat16" (--base-dtype).`,
    );
  }

  dense(dtype = this.dtype): torch.Tensor {
    return torch.noGrad(() => torch.scope(() => torch.castTo(this.#decoded(), dtype)));
  }

  operand(dtype: torch.DType): torch.Tensor | undefined {
    const isHeld = dtype === this.dtype && dtype === this.#operand.dtype;
    return isHeld && usesKernel(this.#operand) ? this.#operand : undefined;
  }

  use<T extends torch.Tensor | readonly torch.Tensor[]>(body: (values: torch.Tensor) => T, dtype = this.dtype): T {
    const operand = this.operand(dtype);
    if (operand) return body(operand);
    return torch.scope(() => checkpoint(() => body(torch.castTo(this.#decoded(), dtype))));
  }

  slice(start: number, count: number): torch.Tensor {
    return this.rows(torch.addScalar(torch.arange(count, { dtype: "int64", device: this.device }), start));
  }

  rows(ids: torch.Tensor): torch.Tensor {
    return torch.noGrad(() =>
      torch.scope(() => torch.castTo(torch.decodeRows(this.#operand, torch.castTo(ids, "int64")), this.dtype)),
    );
  }

  dispose(): void {
    this.#operand.dispose();
    for (const part of this.parts) part.dispose();
  }

  #decoded(): torch.Tensor {
    return torch.castTo(torch.decodeWeight(this.#operand), this.dtype);
  }
}
