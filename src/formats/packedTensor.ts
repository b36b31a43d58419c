import * as torch from "../torch/index.js";

/** A matrix [out, in] that a file has in a quantization format, also where other matrices of the model are stored transposed. */
export interface PackedTensor {
  /** The format, by the name that `torch.packedWeight` takes. */
  readonly format: string;
  /** Its block sizes. */
  readonly block: readonly number[];
  /** The tensors that `torch.packedWeight` takes; those of ggml's blocks are the file's own pages, which are read when they are used. */
  read(): readonly torch.Tensor[];
}

/** Packs a matrix. @param values [out, in] float32 @returns what `torch.packedWeight` takes */
export function packedParts(values: torch.Tensor, format: string, block: readonly number[]): readonly torch.Tensor[] {
  const isBytes = format === "int8" || format === "w8a8";
  const parts = torch.quantizeWeight(values, isBytes ? "int8" : format, block[0] ?? 0);
  if (!isBytes) return parts;
  const [codes, largest] = parts as [torch.Tensor, torch.Tensor];
  return [codes, int8Scales(largest)];
}

/** The scales of int8 rows from their largest magnitudes, as bitsandbytes computes them where it trains. */
export const int8Scales = (largest: torch.Tensor): torch.Tensor => torch.mulScalar(largest, 1 / 127);
