import * as torch from "../../torch/index.js";
import type { FourBitType } from "./quantState.js";

/** The values of a type's 16 codes, by bitsandbytes' tables: float32 [16]. A quant_map repeats them. */
export function levelsOf(type: FourBitType): torch.Tensor {
  return torch.scope(() => {
    const codes = Uint8Array.from({ length: 8 }, (_, i) => 0x22 * i + 1);
    const parts = [torch.fromBytes(codes, [8], "uint8"), torch.ones([1])];
    const values = torch.decodeWeight(torch.packedWeight(parts, type, [64], [1, 16], "float32"));
    return torch.addScalar(torch.flatten(values), 0); // without the sign of fp4's negative zero
  });
}
