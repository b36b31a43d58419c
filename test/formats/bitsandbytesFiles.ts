// Files with layers as bitsandbytes packs them.
import { join } from "node:path";
import { openSafetensors, saveSafetensors } from "../../src/formats/safetensors/safetensors.js";
import type * as torch from "../../src/torch/index.js";
import { GOLDEN } from "../support/golden.js";

const golden = join(GOLDEN, "io/bitsandbytes");

export type Tensors = Map<string, torch.Tensor>;

/** All tensors of a file, as they lie in it. */
export function stored(path: string): Tensors {
  const file = openSafetensors(path);
  try {
    return new Map(file.names.map((name) => [name, file.readTensor(name)]));
  } finally {
    file.close();
  }
}

export function folderOf(where: string, tensors: Tensors): string {
  saveSafetensors(join(where, "model.safetensors"), tensors, { format: "pt" });
  return where;
}

export const packed = stored(join(golden, "packed.safetensors"));
/** The tensors of one layer of packed.safetensors. */
export const layer = (name: string): Tensors =>
  new Map([...packed].filter(([key]) => key.startsWith(`${name}.weight`) || key === `${name}.SCB`));
