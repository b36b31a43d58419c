import * as torch from "../../../torch/index.js";
import type { Weight } from "./weight.js";

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

  rows(ids: torch.Tensor, padding?: number): torch.Tensor {
    return torch.embedding(this.tensor, ids, padding);
  }

  dispose(): void {
    this.tensor.dispose();
  }
}
