import { BidoraError } from "../../common/errors.js";
import { checkpoint } from "../../operators/checkpoint.js";
import * as torch from "../../torch/index.js";
import type { Weight } from "./weight.js";

/** How values are held in fewer bits: blocks of neighboring elements of a row. */
export interface WeightFormat {
  /** Its name in settings and messages. */
  readonly name: string;
  /** ggml's name for the type of such blocks. */
  readonly ggmlType: string;
  /** Elements of a block. A row has whole blocks. */
  readonly elements: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /**
   * Blocks as in a GGUF file, as tensors of `rows` rows.
   * @param blocks all of the first row, then all of the second, …
   */
  split(blocks: Uint8Array, rows: number): torch.Tensor[];
  /** The values of rows: [rows, columns] float32. @param parts these rows of what `split` gives */
  decode(parts: readonly torch.Tensor[]): torch.Tensor;
}

/**
 * A frozen matrix in a format's blocks. Its values are those that the blocks stand for, rounded to the weight's dtype, and only exist
 * while an operator computes with them.
 */
export class QuantizedWeight implements Weight {
  readonly isDense = false;

  /** @param parts of the whole matrix, as the format splits blocks; the weight owns them */
  constructor(
    readonly format: WeightFormat,
    readonly shape: readonly number[],
    readonly dtype: torch.DType,
    readonly parts: readonly torch.Tensor[],
  ) {}

  /** A matrix of this shape from its blocks, as a GGUF file has them. @param dtype of the values */
  static of(format: WeightFormat, shape: readonly number[], dtype: torch.DType, blocks: Uint8Array): QuantizedWeight {
    const parts = torch.scope(() => format.split(blocks, shape[0] as number).map((part) => torch.keep(part)));
    return new QuantizedWeight(format, shape, dtype, parts);
  }

  get device(): string {
    return (this.parts[0] as torch.Tensor).device;
  }

  get bytes(): number {
    return this.parts.reduce((sum, { nbytes }) => sum + nbytes, 0);
  }

  get tensor(): never {
    throw new BidoraError(
      "QUANTIZED",
      `A weight of shape [${this.shape}] is held in blocks of ${this.format.name}, but a dense tensor is needed here: load the model without baseDtype (--base-dtype).`,
    );
  }

  dense(dtype = this.dtype): torch.Tensor {
    return torch.noGrad(() => torch.scope(() => torch.castTo(this.#decode(this.parts), dtype)));
  }

  use<T extends torch.Tensor | readonly torch.Tensor[]>(body: (values: torch.Tensor) => T, dtype = this.dtype): T {
    return torch.scope(() => checkpoint(() => body(torch.castTo(this.#decode(this.parts), dtype))));
  }

  rows(ids: torch.Tensor): torch.Tensor {
    return torch.noGrad(() =>
      torch.scope(() => this.#decode(this.parts.map((part) => torch.indexSelect(part, 0, ids)))),
    );
  }

  dispose(): void {
    for (const part of this.parts) part.dispose();
  }

  #decode(parts: readonly torch.Tensor[]): torch.Tensor {
    return torch.castTo(this.format.decode(parts), this.dtype);
  }
}
