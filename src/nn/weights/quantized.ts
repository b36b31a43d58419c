import { BidoraError } from "../../common/errors.js";
import { checkpoint } from "../../operators/checkpoint.js";
import * as torch from "../../torch/index.js";
import type { Weight } from "./weight.js";

/** A quantization format: blocks of consecutive elements of a row. */
export interface WeightFormat {
  /** Its name in settings and messages. */
  readonly name: string;
  /** ggml's name for the type of such blocks. */
  readonly ggmlType: string;
  /** Elements per block. Rows must consist of whole blocks. */
  readonly elements: number;
  /** Bytes per block. */
  readonly bytes: number;
  /**
   * Splits blocks in GGUF's layout into tensors with `rows` rows.
   * @param blocks the blocks in row-major order
   * @param device of the tensors
   */
  split(blocks: Uint8Array, rows: number, device: string): torch.Tensor[];
  /** Decodes rows to [rows, columns] float32. @param parts the rows' part of the tensors from `split` */
  decode(parts: readonly torch.Tensor[]): torch.Tensor;
}

/**
 * A frozen quantized matrix. Its values are the decoded blocks, rounded to the weight's dtype; they exist only while an operator uses
 * them.
 */
export class QuantizedWeight implements Weight {
  readonly isDense = false;

  /** @param parts the tensors from the format's `split`, which the weight then owns */
  constructor(
    readonly format: WeightFormat,
    readonly shape: readonly number[],
    readonly dtype: torch.DType,
    readonly parts: readonly torch.Tensor[],
  ) {}

  /** Creates a matrix from blocks in GGUF's layout. @param dtype of the values @param device defaults to the CPU */
  static of(
    format: WeightFormat,
    shape: readonly number[],
    dtype: torch.DType,
    blocks: Uint8Array,
    device = "cpu",
  ): QuantizedWeight {
    const parts = torch.scope(() => format.split(blocks, shape[0] as number, device).map((part) => torch.keep(part)));
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
      `A weight of shape [${this.shape}] is quantized to ${this.format.name}, but a dense tensor is needed here: load the model without baseDtype (--base-dtype).`,
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
